/**
 * Loaded before the program (NODE_OPTIONS=--require): the engine's worker thread throws when it is told to change its
 * speed, as it would when one of its assumptions broke. The program itself has no such switch.
 */
const threads = require('node:worker_threads');
const { syncBuiltinESMExports } = require('node:module');

// The job tells the speed once by itself, at its start.
let speedChanges = 0;

if (!threads.isMainThread) {
  const receive = threads.receiveMessageOnPort;
  threads.receiveMessageOnPort = (port) => {
    const received = receive(port);
    if (received?.message.kind === 'speed') speedChanges += 1;
    if (speedChanges > 1) throw new Error('a fault for the test');
    return received;
  };
  syncBuiltinESMExports();
}
