/**
 * What every screen has: a title, its content, and its ways back and on, always at the same place. The title takes the
 * focus when the screen comes and what had it has gone, so that keyboard and screen reader begin there. It takes it
 * from nothing that is there still: screens come by themselves too.
 */
import type { ReactElement, ReactNode } from 'react';
import { useEffect, useId, useRef } from 'react';

export interface ScreenProps {
  readonly title: string;
  readonly lead?: string;
  readonly children: ReactNode;
  readonly actions?: ReactNode;
}

export function Screen({ title, lead, children, actions }: ScreenProps): ReactElement {
  const heading = useRef<HTMLHeadingElement>(null);
  const id = useId();
  useEffect(() => {
    const { activeElement } = document;
    if (activeElement === null || activeElement === document.body) heading.current?.focus();
  }, []);
  return (
    <div className="screen">
      {/* It scrolls, also where there is nothing in it that takes the focus. */}
      <div className="screen-content" role="group" aria-labelledby={id} tabIndex={0}>
        <h1 id={id} ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {lead !== undefined && <p className="lead">{lead}</p>}
        {children}
      </div>
      {actions !== undefined && <div className="screen-actions">{actions}</div>}
    </div>
  );
}
