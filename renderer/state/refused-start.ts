/**
 * What becomes of a plan whose start was refused. Its token holds for one start, so most refusals leave nothing to
 * press again: the person looks at a new plan, or chooses again. Where no answer came, the move may have begun.
 */
import type { Refusal } from '../../app/contract/bridge.ts';

/**
 * `kept`: the service has not taken the token, so the same plan can be started again. `spent`: a new plan is needed.
 * `changed`: a disk is not what was shown, so the destination is chosen anew. `lost`: nobody knows whether it began.
 */
export type StartOutcome = 'kept' | 'spent' | 'changed' | 'lost';

const outcomes: Readonly<Partial<Record<Refusal['code'], StartOutcome>>> = {
  'not-authorised': 'kept',
  'too-many-requests': 'kept',
  'device-changed': 'changed',
  'device-missing': 'changed',
};

export function outcomeOf(refusal: Refusal): StartOutcome {
  return isAnswerLost(refusal) ? 'lost' : (outcomes[refusal.code] ?? 'spent');
}

const silences: readonly Refusal['code'][] = ['no-service', 'service-silent', 'job-silent', 'stream-ended'];

/** It was asked, and nobody has said whether it was carried out. */
export function isAnswerLost({ code, dataIs }: Refusal): boolean {
  // A fault of ours hides the answer; one that a job reports is an answer, and says where the data is.
  return silences.includes(code) || (code === 'bug' && dataIs === 'unknown');
}
