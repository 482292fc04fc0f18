// Stands in for the program of a card reader on the clerk's own machine: answers as vendors' programs do.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';

export async function startAgent() {
  let origin = '';
  let answer = { status: 204 };
  const server = createServer((asked, reply) => {
    const allowed = { 'access-control-allow-origin': origin, 'access-control-allow-headers': 'x-chinhchu-agent', 'access-control-allow-private-network': 'true' };
    if (asked.method === 'OPTIONS') {
      reply.writeHead(204, allowed);
    } else if (asked.url === '/card' && asked.headers['x-chinhchu-agent'] === '1') {
      reply.writeHead(answer.status, { ...allowed, 'content-type': 'application/json' });
      if (answer.body) reply.write(JSON.stringify(answer.body));
    } else {
      reply.writeHead(400);
    }
    reply.end();
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    allow: (page) => (origin = page),
    say: (status, body) => (answer = { status, body }),
    // A card's files under a vendor's names, with a verdict that nobody asked for.
    async lay(paths) {
      const data = { verifySOD: true, isPass: true, score: 0.99 };
      for (const path of paths) data[`${basename(path, '.bin').toLowerCase().replace(/^ef[._]?/, '')}DataB64`] = (await readFile(path)).toString('base64');
      answer = { status: 200, body: { data } };
    },
    stop: () =>
      new Promise((done) => {
        server.close(done);
        server.closeAllConnections();
      }),
  };
}
