import { expect, test } from 'vitest';
import { serviceLimits } from '../../../app/contract/service.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { Consents } from '../../../app/service/consents.ts';
import { makeFacts } from '../migration/made-facts.ts';

const request = {
  ...{ sourcePath: '/dev/sdb', destinationPath: '/dev/sdc', stateDirectory: '/s', createBytes: undefined },
  ...{ mode: 'redirect', frontend: 'auto', verifies: false, unmountsAtCutOver: false, allowsNoJournal: true },
};
const consent = { userId: 7, plan: decidePlan(makeFacts(), request), request };
const expired: unknown = expect.objectContaining({ code: 'plan-expired' });

test('a token stands for its plan, once, and for its user only', () => {
  const consents = new Consents();
  const token = consents.offer(consent);
  expect(() => consents.take(token, 8)).toThrow(expired);
  expect(consents.take(token, 7).plan).toBe(consent.plan);
  expect(() => consents.take(token, 7)).toThrow(expired);
  expect(() => consents.take('guessed', 7)).toThrow(expired);
});

test('a token expires', () => {
  let nowMs = 0;
  const consents = new Consents(() => nowMs);
  const token = consents.offer(consent);
  nowMs = serviceLimits.tokenMsMax + 1;
  expect(() => consents.take(token, 7)).toThrow(expired);
});

test('one user who plans without end loses own plans, and nobody else does', () => {
  const consents = new Consents();
  const others = consents.offer({ ...consent, userId: 8 });
  const first = consents.offer(consent);
  for (let index = 0; index < 100; index += 1) consents.offer(consent);
  expect(() => consents.take(first, 7)).toThrow(expired);
  expect(consents.take(others, 8).userId).toBe(8);
});
