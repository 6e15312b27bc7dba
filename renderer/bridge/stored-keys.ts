/**
 * The keys that this tab has to its host, in the tab's storage, so that it comes back after being loaded anew: the
 * link's token first, while it may be good, then the sessions that may have come of it. A session is kept before the
 * host can make one of the token: if the connection breaks before the host has said so, the token is void already.
 *
 * None is given up because it was refused: whoever refuses has not shown that he is the host.
 */
const place = 'diskferry-key';
const linkMark = 'link ';
/** Each try of a link that breaks off may leave one. */
const sessionsMax = 4;

export interface StoredKey {
  readonly key: string;
  /** It becomes another one when it has opened the page. */
  readonly isLink: boolean;
}

export class StoredKeys {
  readonly #storage: Pick<Storage, 'getItem' | 'setItem'>;

  constructor(storage: Pick<Storage, 'getItem' | 'setItem'>) {
    this.#storage = storage;
  }

  /** In the order in which they are to be tried. */
  all(): StoredKey[] {
    return this.#lines().map((line) =>
      line.startsWith(linkMark) ? { key: line.slice(linkMark.length), isLink: true } : { key: line, isLink: false },
    );
  }

  /** In place of all others: whoever opens a new link wants to be let in by it. */
  setLink(token: string): void {
    this.#store([`${linkMark}${token}`]);
  }

  /** It holds as soon as the host has seen the page's proof, which the page need not hear of. */
  addSession(session: string): void {
    const lines = this.#lines();
    const links = lines.filter((line) => line.startsWith(linkMark));
    const earlier = lines.filter((line) => !line.startsWith(linkMark));
    this.#store([...links, ...[session, ...earlier].slice(0, sessionsMax)]);
  }

  /** It has opened the page. */
  keepOnly(key: string): void {
    this.#store([key]);
  }

  #lines(): string[] {
    return (this.#storage.getItem(place) ?? '').split('\n').filter((line) => line !== '');
  }

  #store(lines: readonly string[]): void {
    this.#storage.setItem(place, lines.join('\n'));
  }
}
