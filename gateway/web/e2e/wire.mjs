// A way to the node that can be cut: every connection dies and no new one is let through, until it is mended. Deafened, what the
// node says is lost while what it hears is not.
import { connect, createServer } from 'node:net';

export async function wire(url) {
  const { hostname, port } = new URL(url);
  const open = new Set();
  let whole = true;
  let deaf = false;

  const server = createServer((near) => {
    if (!whole) {
      near.destroy();
      return;
    }
    const far = connect(Number(port), hostname);
    const pair = { near, far };
    open.add(pair);
    const end = () => {
      open.delete(pair);
      near.destroy();
      far.destroy();
    };
    near.on('data', (bytes) => far.write(bytes));
    far.on('data', (bytes) => {
      if (!deaf) near.write(bytes);
    });
    for (const side of [near, far]) {
      side.on('error', end);
      side.on('close', end);
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

  const cut = () => {
    whole = false;
    deaf = false;
    for (const { near, far } of [...open]) {
      near.destroy();
      far.destroy();
    }
  };
  return {
    base: `http://127.0.0.1:${server.address().port}`,
    cut,
    mend: () => (whole = true),
    deafen: () => (deaf = true),
    close: () => {
      cut();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
