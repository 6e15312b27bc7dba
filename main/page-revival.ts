/**
 * Keeps the page in its window, so that nobody sits before an empty one while a move runs: a page whose process has
 * gone, or that could not be loaded, is loaded anew, at once and then with a pause. One that fails again and again, or
 * of what a new one meets as well, is not tried for ever: the person is told, and asked what to do.
 */

const pauseMs = 5000;
const triesMax = 3;
/** What lies further back has nothing to do with it. */
const forgottenMs = 60_000;
/** Its program cannot be started, or is not the one that it should be. */
const lastingReasons: readonly string[] = ['launch-failed', 'integrity-failure'];

/** What a dialog of Electron's says; the answer is the place of a button. */
export interface RevivalQuestion {
  readonly type: 'error';
  readonly title: string;
  readonly message: string;
  readonly detail: string;
  readonly buttons: string[];
  readonly defaultId: number;
  readonly cancelId: number;
}

export interface RevivalOptions {
  readonly load: () => Promise<void>;
  /** The window: there is nobody to load a page for, and nowhere to ask. */
  readonly isClosed: () => boolean;
  readonly ask: (question: RevivalQuestion) => Promise<number>;
  readonly close: () => void;
}

export class PageRevival {
  readonly #options: RevivalOptions;
  #failuresMs: number[] = [];
  /** Loading the page, or a word of the person, is to come already. */
  #isPending = false;

  constructor(options: RevivalOptions) {
    this.#options = options;
  }

  load(): void {
    this.#isPending = false;
    void this.#options.load().catch((error: unknown) => {
      const reason = reasonOf(error);
      // Something else is being loaded in its place, as by whoever loads it anew.
      if (reason !== 'ERR_ABORTED') this.failed(reason);
    });
  }

  /** @param reason as Electron says it, of a page that was there or of one that did not come */
  failed(reason: string): void {
    if (reason === 'clean-exit' || this.#isPending || this.#options.isClosed()) return;
    this.#isPending = true;
    const now = Date.now();
    this.#failuresMs = [...this.#failuresMs.filter((atMs) => atMs > now - forgottenMs), now];
    const tries = this.#failuresMs.length;
    if (tries > triesMax || lastingReasons.includes(reason)) void this.#ask(reason);
    else setTimeout(() => this.#loadUnlessClosed(), tries === 1 ? 0 : pauseMs);
  }

  #loadUnlessClosed(): void {
    if (!this.#options.isClosed()) this.load();
  }

  async #ask(reason: string): Promise<void> {
    const answer = await this.#options.ask(questionAbout(reason));
    if (this.#options.isClosed()) return;
    this.#failuresMs = [];
    if (answer === 0) this.load();
    else this.#options.close();
  }
}

function reasonOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error);
}

function questionAbout(reason: string): RevivalQuestion {
  return {
    type: 'error',
    title: 'Diskferry',
    message: 'The wizard cannot be shown',
    detail:
      `Its page does not stay: ${reason}. No move depends on this window: those that run go on, and no disk is touched by it.\n\n` +
      'In a terminal, "diskferry status" shows the moves, and "diskferry serve" shows this wizard in a browser.',
    buttons: ['Load it again', 'Close the window'],
    defaultId: 0,
    cancelId: 1,
  };
}
