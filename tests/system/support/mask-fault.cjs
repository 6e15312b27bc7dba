/**
 * Loaded before the program (NODE_OPTIONS=--require): the job process is killed by itself at a step of the guard that
 * MASK_FAULT names. `wiped` and `hidden`: when the destination's identities, or the source's, have been written in
 * its start; `shown`: when the engine is told to show a disk, at the end.
 */
const fs = require('node:fs');
const threads = require('node:worker_threads');
const { syncBuiltinESMExports } = require('node:module');

const fault = process.env.MASK_FAULT;
const die = () => process.kill(process.pid, 'SIGKILL');

// In this process only the guard calls it, once for each disk that it has changed.
const syncs = { wiped: 1, hidden: 2 }[fault] ?? Infinity;
let count = 0;
const { fdatasyncSync } = fs;
fs.fdatasyncSync = (fd) => {
  fdatasyncSync(fd);
  count += 1;
  if (count === syncs) die();
};

if (fault === 'shown' && !threads.isMainThread) {
  const receive = threads.receiveMessageOnPort;
  threads.receiveMessageOnPort = (port) => {
    const received = receive(port);
    if (received?.message.kind === 'change-mask') die();
    return received;
  };
}
syncBuiltinESMExports();
