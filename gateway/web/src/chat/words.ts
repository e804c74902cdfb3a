// How events and people are put into words.

import type { EventData, Message } from '@conversa/client';
import type { Messages } from '../messages';

/** An event's line in a transcript; null when people need not read it. */
export function eventWords(t: Messages, k: string, d: EventData): string | null {
  switch (k) {
    case 'conversation.opened':
      return t.event.opened;
    case 'conversation.queued':
      return t.event.queued[d.reason ?? ''] ?? t.event.queuedOther;
    case 'conversation.assigned':
      return t.event.assigned(d.agent?.name ?? '');
    case 'conversation.closed':
      return t.event.closed[d.by ?? ''] ?? t.event.closedOther;
    case 'conversation.reopened':
      return t.event.reopened;
    default:
      // Offers come and go; what matters to a reader is who takes the conversation in the end.
      return null;
  }
}

/** A message in one line. */
export function plain(message: Message): string {
  return message.content.type === 'text' ? message.content.text : message.content.alt;
}
