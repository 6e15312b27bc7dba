/**
 * Loaded before the program (NODE_OPTIONS=--require): what happens when `retire` claims a disk to erase it, by ERASE_FAULT.
 *
 * - `written`: somebody writes to it right before, without claiming it.
 * - `stands-still`: the program stops itself (SIGSTOP) before its fourth write to it.
 */
const fs = require('node:fs');
const promises = require('node:fs/promises');
const { syncBuiltinESMExports } = require('node:module');

const { O_EXCL, O_RDWR } = fs.constants;
const fault = process.env.ERASE_FAULT;
const { open } = promises;
promises.open = async (path, flags, ...rest) => {
  const isClaim = (flags & O_EXCL) !== 0 && (flags & O_RDWR) !== 0;
  if (isClaim && fault === 'written') writeSomething(path);
  const handle = await open(path, flags, ...rest);
  if (isClaim && fault === 'stands-still') stopAtWrite(handle, 4);
  return handle;
};
syncBuiltinESMExports();

function writeSomething(path) {
  const fd = fs.openSync(path, 'r+');
  fs.writeSync(fd, Buffer.alloc(512, 'somebody was here'), 0, 512, 512);
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}

function stopAtWrite(handle, nth) {
  let count = 0;
  const write = handle.write.bind(handle);
  handle.write = (...parameters) => {
    count += 1;
    if (count === nth) process.kill(process.pid, 'SIGSTOP');
    return write(...parameters);
  };
}
