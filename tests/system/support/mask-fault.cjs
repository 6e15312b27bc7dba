/**
 * Loaded before the program (NODE_OPTIONS=--require): at a step of the guard that MASK_FAULT names, the job process
 * kills itself, or a disk refuses.
 *
 * - `wiped`, `hidden`: killed when the destination's identities, or the source's, have been written in its start.
 * - `sampled`: killed before the sample of the source is kept, when all that may be durable by then is.
 * - `write-N`: killed before the guard's Nth write to a disk in its start, `turn-N`: in the engine's Nth turn after it
 *   has been told to change a mask. Both in the middle of the places that one disk has.
 * - `shown`: killed when the engine is told to show a disk, at the end.
 * - `start-fails`, `start-fails-hidden`: the engine dies in the start; with the second, the source then refuses writes.
 *   `start-fails-hidden-new`: the same where the destination is a new image.
 * - `commit-refused`: the destination can be neither shown, for the first time, nor hidden again.
 * - `undo-refused`: the source cannot be shown, for the first two times.
 */
const fs = require('node:fs');
const promises = require('node:fs/promises');
const threads = require('node:worker_threads');
const { syncBuiltinESMExports } = require('node:module');

const fault = process.env.MASK_FAULT;
const die = () => process.kill(process.pid, 'SIGKILL');

// In this process only the guard calls it, once for each disk that it has changed, or file in which it looks ahead.
const isDisk = (fd) => !fs.readlinkSync(`/proc/self/fd/${fd}`).includes('/diskferry-look-');
const syncs = { wiped: 1, hidden: 2 }[fault] ?? Infinity;
let count = 0;
const { fdatasyncSync } = fs;
fs.fdatasyncSync = (fd) => {
  fdatasyncSync(fd);
  if (isDisk(fd)) count += 1;
  if (count === syncs) die();
};

// A new image has nothing that must be wiped.
const changedDisks = { 'start-fails-hidden': 2, 'start-fails-hidden-new': 1 }[fault] ?? Infinity;
if (threads.isMainThread && changedDisks < Infinity) {
  const { writeSync } = fs;
  fs.writeSync = (fd, bytes, ...rest) => {
    if (count >= changedDisks && bytes.length >= 512) throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' });
    return writeSync(fd, bytes, ...rest);
  };
}

if (fault === 'sampled') {
  const { rename } = promises;
  promises.rename = async (from, to) => {
    if (String(to).endsWith('/job.json')) {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      die();
    }
    await rename(from, to);
  };
}

const [, step, nth] = /^(write|turn)-(\d+)$/.exec(fault ?? '') ?? [];
let left = Number(nth);

if (step === 'write' && threads.isMainThread) {
  const { writeSync } = fs;
  fs.writeSync = (fd, bytes, ...rest) => {
    if (bytes.length >= 512 && isDisk(fd) && --left === 0) die();
    return writeSync(fd, bytes, ...rest);
  };
}

let isChanging = false;
if (step === 'turn' && !threads.isMainThread) {
  const { dlopen } = process;
  process.dlopen = (module, ...rest) => {
    dlopen.call(process, module, ...rest);
    const { Ring } = module.exports;
    module.exports.Ring = class extends Ring {
      submitAndWait(...parameters) {
        if (isChanging && --left === 0) die();
        return super.submitAndWait(...parameters);
      }
    };
  };
}

const [source, destination] = [0, 1];
const ioError = -5;
const refusals = {
  'commit-refused': [
    { disk: destination, isMasked: false, times: 1 },
    { disk: destination, isMasked: true, times: Infinity },
  ],
  'undo-refused': [{ disk: source, isMasked: false, times: 2 }],
};

function isRefused({ disk, isMasked }) {
  const refusal = refusals[fault]?.find((one) => one.disk === disk && one.isMasked === isMasked);
  if (refusal === undefined || refusal.times === 0) return false;
  refusal.times -= 1;
  return true;
}

if (!threads.isMainThread && fault?.startsWith('start-fails')) throw new Error('an engine that dies in its start');

if (!threads.isMainThread) {
  const receive = threads.receiveMessageOnPort;
  threads.receiveMessageOnPort = (port) => {
    for (;;) {
      const received = receive(port);
      if (received?.message.kind !== 'change-mask') return received;
      if (fault === 'shown' && !received.message.isMasked) die();
      isChanging = true;
      if (!isRefused(received.message)) return received;
      port.postMessage({ kind: 'mask-changed', errno: ioError });
    }
  };
}
syncBuiltinESMExports();
