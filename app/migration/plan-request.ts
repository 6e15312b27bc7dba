/**
 * From what somebody wants to move to the plan. Preflight runs twice: first with what everybody may see, so
 * that most refusals come before anybody needs to be root; then, where we may, with a closer look at both
 * disks.
 */
import type { Plan } from '../contract/plan.ts';
import type { Facts } from './facts.ts';
import { gatherFacts } from './facts.ts';
import { decidePlan, requirePrivileges } from './plan.ts';

export interface PlanRequest {
  readonly sourcePath: string;
  readonly destinationPath: string;
  readonly stateDirectory: string;
  /** Undefined when the destination must exist. */
  readonly createBytes: number | undefined;
  /** As the user wrote them: preflight knows best what to say about one that is not there yet. */
  readonly mode: string;
  readonly frontend: string;
  readonly verifies: boolean;
  readonly unmountsAtCutOver: boolean;
  readonly allowsNoJournal: boolean;
}

/**
 * `offer`: to show it to somebody who may be anybody. He must not hold up the service with as many open files as
 * he likes, so who has the disks open for writing is looked for when the plan is carried out.
 */
export type PlanPurpose = 'show' | 'offer' | 'carry-out';

/** Throws the first refusal. The closer look is taken only where it cannot fail for lack of rights. */
export async function makePlan(request: PlanRequest, purpose: PlanPurpose): Promise<Plan> {
  const loadsFrontend = purpose === 'carry-out' ? request.frontend : undefined;
  const look = (looksCloser: boolean, basis?: Facts): Promise<Facts> =>
    gatherFacts({
      basis,
      sourcePath: request.sourcePath,
      destinationPath: request.destinationPath,
      stateDirectory: request.stateDirectory,
      looksCloser,
      findsWriters: purpose !== 'offer',
      readsAllocation: looksCloser && purpose !== 'carry-out',
      loadsFrontend: looksCloser ? loadsFrontend : undefined,
    });
  const facts = await look(false);
  const plan = decidePlan(facts, request);
  const mayLookCloser = !plan.needsRoot || facts.host.userId === 0;
  if (purpose === 'carry-out') requirePrivileges(plan, facts.host.userId);
  return mayLookCloser ? decidePlan(await look(true, facts), request) : plan;
}
