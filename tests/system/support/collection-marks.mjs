/**
 * Loaded into a process before its own program: on each message "mark" from its parent it collects garbage and
 * answers with its resident memory in bytes. V8 writes what it collects into one trace for all threads, so
 * these collections, which only a program asks for ("testing"), are marks in it. Needs --expose-gc
 * --trace-gc.
 */
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  process.on('message', (message) => {
    if (message !== 'mark') return;
    globalThis.gc();
    process.send(process.memoryUsage.rss());
  });
}
