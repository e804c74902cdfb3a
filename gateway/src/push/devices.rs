//! `/v1/devices`: the devices on which a person wants to be told of messages that no socket has taken.

use std::sync::Arc;

use axum::extract::State;
use conversa_actors::address::Address;
use conversa_actors::behaviour::Behaviour;
use conversa_actors::behaviours::Reach;
use conversa_actors::behaviours::reach::Command;
use conversa_actors::letter::Payload;
use conversa_actors::port::outside::Platform;
use conversa_engine::refusal::Code;
use serde::Deserialize;
use serde_json::json;

use crate::asked::{Json, Path};
use crate::auth::Principal;
use crate::problem::Problem;
use crate::rest::{Answer, Caller};
use crate::server::Edge;

/// A device and how it is reached: `token` for apns and fcm, `url` for webhook.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registration {
    device: String,
    platform: Platform,
    token: Option<String>,
    url: Option<String>,
}

/// `POST /v1/devices`: registers a device, or gives a known one its new token.
pub(crate) async fn register(
    State(edge): State<Arc<Edge>>,
    Caller(principal): Caller,
    Json(registration): Json<Registration>,
) -> Answer {
    let Registration { device, platform, token, url } = registration;
    let refused = |detail: String| Problem::new(Code::BadRequest, detail);
    let named = (1..=48).contains(&device.len())
        && device.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if !named {
        return Err(refused("device is 1 to 48 letters, digits, _ or -: the one of the socket".into()));
    }
    if !edge.reachable.serves(&principal.tenant, platform) {
        return Err(refused(format!("the company has no {platform:?} in its configuration (tenants.push)")));
    }
    let token = match (platform, token, url) {
        (Platform::Apns | Platform::Fcm, Some(token), None) => token,
        (Platform::Webhook, None, Some(url)) => {
            edge.reachable.callable(&url).map_err(refused)?;
            url
        }
        (Platform::Apns | Platform::Fcm, ..) => return Err(refused("send token, and no url".into())),
        (Platform::Webhook, ..) => return Err(refused("send url, and no token".into())),
    };
    let command = Command::Register { device: device.clone(), platform, token };
    edge.host.ask(&address(&principal), Payload::of(command)).await?;
    Ok(Json(json!({ "device": device, "platform": platform })))
}

/// `GET /v1/devices`
pub(crate) async fn list(State(edge): State<Arc<Edge>>, Caller(principal): Caller) -> Answer {
    Ok(Json(edge.host.view_json(&address(&principal)).await?))
}

/// `DELETE /v1/devices/{device}`
pub(crate) async fn remove(
    State(edge): State<Arc<Edge>>,
    Caller(principal): Caller,
    Path(device): Path<String>,
) -> Answer {
    edge.host.ask(&address(&principal), Payload::of(Command::Remove { device: device.clone() })).await?;
    Ok(Json(json!({ "device": device, "removed": true })))
}

fn address(principal: &Principal) -> Address {
    Address::new(principal.tenant.clone(), Reach::KIND, principal.id.shared())
}
