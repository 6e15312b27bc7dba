/**
 * The worker thread's entry: builds the loop from what the control thread passed and runs it until it is
 * stopped. The loop blocks this thread in the ring, so messages are fetched, never awaited.
 */
import { readSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { present } from '../base/error.ts';
import { EngineLoop } from './engine-loop.ts';
import type { ControlMessage, WorkerSetting } from './messages.ts';

const port = present(parentPort, 'the port to the control thread');
const setting = workerData as WorkerSetting;
const wakeCount = new Uint8Array(8);

new EngineLoop(setting, {
  receive: () => receiveMessageOnPort(port)?.message as ControlMessage | undefined,
  post: (message) => port.postMessage(message),
  clearWake: () => void readSync(setting.wakeFd, wakeCount),
}).run();
