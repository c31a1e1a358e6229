export const STYLE = `
:root { color-scheme: light; --ink: #1f2430; --quiet: #5a6270; --line: #e1e5eb; --ground: #f7f8fa; --accent: #0061a8; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: clamp(1.7rem, 4vw, 2.4rem); line-height: 1.2; margin: 0 0 14px; letter-spacing: -0.015em; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 6px; letter-spacing: -0.01em; }
h3 { font-size: 1rem; margin: 28px 0 6px; }
p { margin: 0 0 12px; max-width: 92ch; }
.lead { font-size: 1.15rem; }
.quiet, small, .facts { color: var(--quiet); }
.quiet { font-size: 0.9rem; max-width: 112ch; }
section { background: #fff; border: 1px solid var(--line); border-radius: 12px; padding: 26px 28px; margin: 22px 0; }
.takeaway { font-weight: 600; margin-bottom: 4px; }
svg { display: block; max-width: 100%; height: auto; overflow: visible; }
.chart { margin: 18px 0 4px; }
.narrow { display: none; }
.multiples { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 22px 26px; margin-top: 18px; }
figure { margin: 0; }
.multiples figcaption { font-size: 0.92rem; font-weight: 600; line-height: 1.35; margin-bottom: 6px; }
.multiples figcaption .facts { display: block; font-weight: 400; font-size: 0.85rem; min-height: 1.3em; }
.mark { display: inline-block; margin: 0 6px; padding: 0 7px; border-radius: 9px; font-size: 0.75rem; font-weight: 600; background: #fbe9df; color: #8a2c00; white-space: nowrap; }
.facts .mark { margin-left: 0; }
.mark.continuous, .mark.floor { background: #eceef2; color: #414854; }
dl { display: grid; grid-template-columns: minmax(150px, max-content) 1fr; gap: 8px 20px; margin: 14px 0 0; }
dt { font-weight: 600; } dd { margin: 0; }
.scroll { overflow-x: auto; margin: 16px 0; }
table { border-collapse: collapse; width: 100%; font-size: 0.88rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: 8px; font-size: 0.95rem; white-space: normal; }
th, td { padding: 6px 8px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; vertical-align: bottom; }
thead th { color: var(--quiet); font-weight: 600; line-height: 1.25; white-space: normal; }
th small { display: block; font-weight: 400; line-height: 1.2; }
th:first-child, td.missing { text-align: left; white-space: normal; padding-left: 0; }
th.name { white-space: nowrap; }
tbody td { vertical-align: top; }
tbody th { font-weight: 500; }
td.missing { color: var(--quiet); font-style: italic; }
td.met { color: #006346; font-weight: 600; } td.missed { color: #a83600; font-weight: 600; }
a { color: var(--accent); } a:focus-visible, .scroll:focus-visible { outline: 3px solid #80b6e0; outline-offset: 2px; }
.button { display: inline-block; padding: 8px 16px; border: 1px solid var(--accent); border-radius: 8px; text-decoration: none; font-weight: 600; }
@media (max-width: 760px) {
  main { padding: 24px 12px 40px; } section { padding: 20px 16px; }
  .wide { display: none; } .narrow { display: block; }
  dl { grid-template-columns: 1fr; gap: 2px; } dd { margin-bottom: 10px; }
}
@media print { body, section { background: #fff; } section { break-inside: avoid; } }
`
