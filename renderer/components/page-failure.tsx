/**
 * Stands around the whole page: when a part of it fails, the page says so calmly instead of going blank in the middle
 * of a move. The move is none of the page's doing and goes on; the page is loaded anew when the person wants it.
 */
import type { ErrorInfo, ReactNode } from 'react';
import { Component } from 'react';
import { messageOf } from '../../app/base/error.ts';
import { text } from '../text/text.ts';
import { ActionButton } from './action-button.tsx';

export interface PageFailureProps {
  readonly children: ReactNode;
  readonly loadAgain: () => void;
}

interface PageFailureState {
  readonly failure: string | null;
}

export class PageFailure extends Component<PageFailureProps, PageFailureState> {
  override readonly state: PageFailureState = { failure: null };

  static getDerivedStateFromError(error: unknown): PageFailureState {
    return { failure: messageOf(error) };
  }

  /** For whoever looks for the fault: the page itself shows the message only. */
  override componentDidCatch(error: unknown, { componentStack }: ErrorInfo): void {
    // eslint-disable-next-line no-console -- a page has nowhere else
    console.error('the page has failed:', error, componentStack ?? '');
  }

  override render(): ReactNode {
    const { failure } = this.state;
    if (failure === null) return this.props.children;
    return (
      <main className="page-failure">
        <section className="box amber" role="alert">
          <h1>{text('app.failed')}</h1>
          <p>{text('app.failedWhy')}</p>
          <ActionButton kind="main" autoFocus onPress={this.props.loadAgain}>
            {text('app.loadAgain')}
          </ActionButton>
          <p className="soft breakable">{text('app.failure', { message: failure })}</p>
        </section>
      </main>
    );
  }
}
