/**
 * Who may do what: root everything; others what polkit allows them, asked for each action by pkcheck, which
 * may in turn ask the person through the desktop's agent. Where there is no polkit only root is served.
 *
 * polkit is told the process by its number, its start and its user as the kernel gave them when it connected,
 * so that a number that was given to another process meanwhile does not count.
 */
import { DiskferryError } from '../base/error.ts';
import type { ServiceAction } from '../contract/service.ts';
import type { Peer } from '../devices/peer.ts';
import type { ProgramResult } from '../devices/program.ts';
import { runProgram } from '../devices/program.ts';
import { PerUserLimit } from './per-user-limit.ts';

/** As resources/polkit/org.diskferry.policy has them. */
export function actionId(action: ServiceAction): string {
  return `org.diskferry.${action}`;
}

export interface Client {
  readonly peer: Peer;
  /** Null when the process was gone already. */
  readonly startTime: string | null;
}

export type Ask = (program: string, parameters: readonly string[]) => Promise<ProgramResult>;

/** pkcheck(1), RETURN VALUE. Everything else means that polkit itself could not be asked. */
const refusals: Readonly<Record<number, string>> = {
  1: 'polkit does not allow it to this user',
  2: 'polkit wants a password for it, and no agent is running that could ask for one',
  3: 'the question for a password was dismissed',
};

/** Each is a process, and may wait for a person; one user must not have us start them without end. */
const questionsMax = { perUserMax: 8, totalMax: 64 } as const;

export class Authority {
  readonly #questions = new PerUserLimit(questionsMax, 'questions to polkit');
  readonly #ask: Ask;
  readonly #hasPolkit: boolean;

  /** `hasPolkit`: pkcheck is installed. */
  constructor(hasPolkit: boolean, ask: Ask = runProgram) {
    this.#hasPolkit = hasPolkit;
    this.#ask = ask;
  }

  get hasPolkit(): boolean {
    return this.#hasPolkit;
  }

  /** Throws `not-authorised` with the reason. */
  async require(action: ServiceAction, client: Client): Promise<void> {
    if (client.peer.userId === 0) return;
    const why = await this.#objection(action, client);
    if (why === undefined) return;
    const id = actionId(action);
    throw new DiskferryError('not-authorised', `${id}: refused to user ${client.peer.userId}: ${why}`, {
      context: { action: id },
    });
  }

  async #objection(action: ServiceAction, { peer, startTime }: Client): Promise<string | undefined> {
    if (!this.#hasPolkit) return 'without polkit only root may use the service';
    if (startTime === null) return 'the process that asks is gone';
    const subject = `${peer.processId},${startTime},${peer.userId}`;
    const parameters = ['--action-id', actionId(action), '--process', subject, '--allow-user-interaction'];
    const ask = (): Promise<ProgramResult> => this.#ask('pkcheck', parameters);
    const { exitCode, stderr } = await this.#questions.during(peer.userId, ask);
    if (exitCode === 0) return undefined;
    return refusals[exitCode] ?? `polkit cannot be asked: ${stderr.trim().split('\n')[0] ?? ''}`;
  }
}
