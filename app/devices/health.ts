/**
 * What a disk itself thinks of its health, asked with smartctl where it is installed. Needs root. A disk that sleeps is not
 * woken for it, and one that does not answer in time keeps nobody waiting: that, too, is an answer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import type { Health } from '../contract/device-tree.ts';
import type { BlockDevice } from './block-device.ts';
import { runProgram } from './program.ts';

/** A healthy disk answers in well under a second. */
const answerMsMax = 5_000;

/** smartctl(8), EXIT STATUS: the bits that speak of the disk and not of the command. */
const failingBit = 1 << 3;
const cannotBeAskedBits = (1 << 0) | (1 << 1);

const answerSchema = z.looseObject({
  smartctl: z
    .looseObject({ messages: z.array(z.looseObject({ string: z.string() })).optional() })
    .optional(),
  smart_status: z.looseObject({ passed: z.boolean() }).optional(),
  temperature: z.looseObject({ current: z.number() }).optional(),
  power_on_time: z.looseObject({ hours: z.number() }).optional(),
});

/** Kinds of devices that have no health of their own: what they lie on has. */
const virtualNames = /^(loop|ram|zram|dm-|md|nbd|ublkb|sr|fd|nullb)/;

export function hasHealth({ kind, kernelName, sizeBytes }: BlockDevice): boolean {
  return kind === 'disk' && sizeBytes > 0 && !virtualNames.test(kernelName);
}

/** Null when nobody can be asked: smartctl is not installed, or the device is no disk. */
export async function readHealth(device: BlockDevice): Promise<Health | null> {
  if (!hasHealth(device)) return null;
  const parameters = ['--json', '--nocheck=standby', '--info', '--health', '--attributes', device.path];
  const asked = runProgram('smartctl', parameters).then(
    ({ exitCode, stdout }) => parseSmartctl(stdout, exitCode),
    () => null,
  );
  const limit = new AbortController();
  const late = sleep(answerMsMax, undefined, { signal: limit.signal }).then(
    (): Health => ({ state: 'unknown', message: `it did not answer within ${answerMsMax / 1000} s`, ...noFigures }),
    () => null,
  );
  return Promise.race([asked, late]).finally(() => limit.abort());
}

const noFigures = { temperatureCelsius: null, poweredOnHours: null };

export function parseSmartctl(json: string, exitCode: number): Health {
  let answer: z.infer<typeof answerSchema>;
  try {
    answer = answerSchema.parse(JSON.parse(json));
  } catch {
    return { state: 'unknown', message: 'smartctl gave no answer that can be read', ...noFigures };
  }
  const figures = {
    temperatureCelsius: answer.temperature?.current ?? null,
    poweredOnHours: answer.power_on_time?.hours ?? null,
  };
  const passed = answer.smart_status?.passed;
  if (passed === false || (exitCode & failingBit) !== 0)
    return { state: 'failing', message: 'the disk expects to fail soon', ...figures };
  if (passed === true) return { state: 'good', message: 'the disk expects no failure', ...figures };
  const said = answer.smartctl?.messages?.[0]?.string;
  const why = (exitCode & cannotBeAskedBits) === 0 ? 'the disk does not tell' : (said ?? 'it cannot be asked');
  return { state: 'unknown', message: why, ...figures };
}
