/**
 * What every screen has: a title that takes the focus when the screen comes, so that keyboard and screen reader
 * begin there; its content; and its ways back and on, always at the same place.
 */
import type { ReactElement, ReactNode } from 'react';
import { useEffect, useRef } from 'react';

export interface ScreenProps {
  readonly title: string;
  readonly lead?: string;
  readonly children: ReactNode;
  readonly actions?: ReactNode;
}

export function Screen({ title, lead, children, actions }: ScreenProps): ReactElement {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), [title]);
  return (
    <div className="screen">
      <div className="screen-content">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {lead !== undefined && <p className="lead">{lead}</p>}
        {children}
      </div>
      {actions !== undefined && <div className="screen-actions">{actions}</div>}
    </div>
  );
}
