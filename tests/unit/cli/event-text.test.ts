/** What events say to people: only what is true, and only commands that work. */
import { describe, expect, test } from 'vitest';
import { EventTeller, eventText } from '../../../app/cli/event-text.ts';
import type { JobEvent } from '../../../app/contract/events.ts';
import { decidePlan } from '../../../app/migration/plan.ts';
import { makeFacts } from '../migration/made-facts.ts';
import { options } from '../migration/refusals.ts';

const line = { job: 'sdb-1234', timeMs: 0 };
const plan = decidePlan(makeFacts({}), options);
const decision: JobEvent = {
  event: 'decision',
  ...line,
  message: '/dev/sdc: flush failed: EIO',
  choices: [{ choice: 'undo', meaning: 'go back' }],
};

describe('the text of an event', () => {
  test('says what is erased when there is a plan', () => {
    const text = eventText({ event: 'planned', ...line, plan }, plan.stateDirectory);
    expect(text).toContain(`Erasing ${plan.destination.path}.`);
  });

  test('promises nothing when a decision is needed', () => {
    expect(eventText(decision, '/var/lib/diskferry')).not.toMatch(/nothing is lost/i);
  });

  test.each([
    ['/var/lib/diskferry', '"diskferry undo sdb-1234"'],
    ['/srv/state', '"diskferry undo sdb-1234 --state-dir /srv/state"'],
    ["/srv/it's here", `"diskferry undo sdb-1234 --state-dir '/srv/it'\\''s here'"`],
  ])('names commands that find the job in %s', (stateDirectory, command) => {
    const teller = new EventTeller();
    teller.textOf({ event: 'planned', ...line, plan: { ...plan, stateDirectory } });
    expect(teller.textOf(decision)).toContain(command);
  });

  test('warns after an undo of the identifiers that the destination still carries', () => {
    expect(eventText({ event: 'undone', ...line }, plan.stateDirectory)).toMatch(/erase or disconnect/);
  });
});
