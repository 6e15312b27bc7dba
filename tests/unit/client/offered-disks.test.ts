import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createMessageConnection, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node.js';
import { OfferedDisks } from '../../../app/client/offered-disks.ts';
import { ServiceBridge } from '../../../app/client/service-bridge.ts';
import type { BridgeMessage } from '../../../app/contract/bridge.ts';
import { apiVersion } from '../../../app/contract/service.ts';
import { device } from '../renderer/made-events.ts';

test('a page that is offered some disks sees no others, and can have no plan made of them', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'diskferry-offer-'));
  const planned: unknown[] = [];
  const service = createServer((socket) => {
    const connection = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
    connection.onRequest('hello', () => ({ version: '9', apiVersion, hasPolkit: false, notes: [] }));
    const trees = ['/dev/sda', '/dev/loop1', '/dev/loop2'].map((path) => device(path));
    connection.onRequest('devices', () => ({ trees, notes: ['A note.'] }));
    connection.onRequest('plan', (parameters: unknown) => void planned.push(parameters));
    connection.listen();
  }).listen(join(directory, 's'));
  await once(service, 'listening');
  const told: BridgeMessage[] = [];
  const offered = new OfferedDisks(['/dev/loop1', '/dev/loop2']);
  const bridge = new ServiceBridge({ socketPath: join(directory, 's'), offered, tell: (message) => told.push(message) });
  try {
    await expect.poll(() => told).toMatchObject([{ service: { state: 'connected' } }]);
    const devices = await bridge.ask({ name: 'devices', parameters: {} });
    expect(devices).toMatchObject({ outcome: 'done', result: { trees: [{ path: '/dev/loop1' }, { path: '/dev/loop2' }] } });
    for (const disks of [
      { source: '/dev/sda', destination: '/dev/loop2' },
      { source: '/dev/loop1', destination: '/dev/sda' },
      { source: '/dev/loop1', destination: '/dev/../dev/sda' },
    ])
      expect(await bridge.ask({ name: 'plan', parameters: disks })).toMatchObject({ refusal: { code: 'usage' } });
    expect(planned).toEqual([]);
    await bridge.ask({ name: 'plan', parameters: { source: '/dev/loop1', destination: '/dev/loop2' } });
    expect(planned).toMatchObject([{ source: '/dev/loop1', destination: '/dev/loop2' }]);
  } finally {
    bridge.close();
    service.close();
    rmSync(directory, { recursive: true });
  }
});
