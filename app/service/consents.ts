/**
 * What people may say yes to: plans that were shown, each under a token that nobody can guess. A token starts
 * one job, for the user to whom the plan was shown, for ten minutes. The plan in it names both disks by
 * identity, and is compared with a new one at the start (invariant 9).
 */
import { randomBytes } from 'node:crypto';
import { DiskferryError } from '../base/error.ts';
import type { Plan } from '../contract/plan.ts';
import { serviceLimits } from '../contract/service.ts';
import type { PlanRequest } from '../migration/plan-request.ts';

/** More plans than anybody looks at; then the oldest is forgotten. */
const consentsPerUserMax = 16;
const tokenBytes = 18;

export interface Consent {
  readonly userId: number;
  readonly plan: Plan;
  readonly request: PlanRequest;
}

interface Kept extends Consent {
  readonly untilMs: number;
}

export class Consents {
  readonly #kept = new Map<string, Kept>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Returns the token. */
  offer(consent: Consent): string {
    const own = [...this.#kept].filter(([, { userId }]) => userId === consent.userId);
    const [oldest] = own;
    if (oldest !== undefined && own.length >= consentsPerUserMax) this.#kept.delete(oldest[0]);
    const token = randomBytes(tokenBytes).toString('base64url');
    this.#kept.set(token, { ...consent, untilMs: this.#nowMs() + serviceLimits.tokenMsMax });
    return token;
  }

  /** Throws `plan-expired` for what was not shown to this user, is too old, or was used. */
  take(token: string, userId: number): Consent {
    const found = this.#kept.get(token);
    if (found === undefined || found.userId !== userId)
      throw new DiskferryError('plan-expired', 'the token stands for no plan that can be started');
    this.#kept.delete(token);
    if (found.untilMs >= this.#nowMs()) return found;
    throw new DiskferryError('plan-expired', `${found.plan.source.path}: the plan was made too long ago`);
  }
}
