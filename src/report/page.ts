import { html, trusted, type Markup } from './markup.js';
import { STYLE } from './style.js';

/** Nothing is loaded from anywhere and no script runs, whatever a name or a console text holds. */
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/** One self-contained HTML file that prints on A4. */
export function page(title: string, body: Markup): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <style>
          ${trusted(STYLE)}
        </style>
      </head>
      <body>
        ${body}
      </body>
    </html> `.text;
}
