/** What a page costs: its heap after everything unused has been collected, and the frames that took it too long. */
import type { CDPSession, Page } from 'playwright-core';

/** Chromium's own limit for frames that it calls long ("long-animation-frame"). */
export const longFrameMs = 50;

const watchText = `
  window.longFrames = [];
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) window.longFrames.push(duration);
  }).observe({ type: 'long-animation-frame' });`;

export class PageHealth {
  readonly #page: Page;
  readonly #session: CDPSession;

  static async of(page: Page): Promise<PageHealth> {
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    return new PageHealth(page, session);
  }

  private constructor(page: Page, session: CDPSession) {
    this.#page = page;
    this.#session = session;
  }

  async heapBytes(): Promise<number> {
    // What only a finished collection lets go may need another one.
    for (let time = 0; time < 3; time += 1) await this.#session.send('HeapProfiler.collectGarbage');
    return (await this.#session.send('Runtime.getHeapUsage')).usedSize;
  }

  /** Of the processor, for all that the page has done so far. */
  async taskMs(): Promise<number> {
    const { metrics } = await this.#session.send('Performance.getMetrics');
    return 1000 * (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN);
  }

  /** From now on. */
  async watchFrames(): Promise<void> {
    await this.#page.evaluate(watchText);
  }

  /** How long each took that was longer than `longFrameMs`. */
  longFrames(): Promise<number[]> {
    return this.#page.evaluate('window.longFrames');
  }
}
