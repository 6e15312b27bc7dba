/**
 * Loaded before the program (NODE_OPTIONS=--require): on SIGUSR2 an error is thrown that nobody catches, and a promise is
 * rejected that nobody awaits, as by a fault that nobody has foreseen.
 */
const { isMainThread } = require('node:worker_threads');

if (isMainThread) {
  process.on('SIGUSR2', () => {
    setImmediate(() => {
      throw new Error('a fault for the test');
    });
    void Promise.reject(new Error('another fault for the test'));
  });
}
