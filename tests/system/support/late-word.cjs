/**
 * Loaded before the program (NODE_OPTIONS=--require): what a process tells its parent arrives half a second late, as on a
 * busy machine.
 */
if (process.send !== undefined) {
  const send = process.send.bind(process);
  process.send = (...parameters) => {
    setTimeout(() => send(...parameters), 500);
    return true;
  };
}
