/** How the report looks on a screen and on paper. */
export const styles = `
:root{--ink:#16202b;--soft:#5b6875;--line:#dde3e9;--paper:#fff;--ground:#eef2f5;--accent:#0b6e7f;--good:#1a7f4b;--bad:#b3261e;--neutral:#8a6100}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI","Noto Sans","DejaVu Sans",sans-serif;-webkit-print-color-adjust:exact;print-color-adjust:exact}
main{max-width:860px;margin:32px auto;background:var(--paper);padding:44px 52px;border-radius:12px;box-shadow:0 1px 3px #16202b22,0 12px 40px #16202b14}
h1{font-size:27px;line-height:1.2;margin:0;overflow-wrap:anywhere;letter-spacing:-.01em}
h2{font-size:16px;margin:34px 0 10px}
.brand{font-weight:700;color:var(--accent);letter-spacing:.01em;margin-bottom:18px}
.brand span{font-weight:400;color:var(--soft);margin-left:8px}
.title{display:flex;align-items:center;gap:16px;flex-wrap:wrap}
.badge{padding:3px 14px;border-radius:99px;font-weight:600;font-size:14px;border:1.5px solid currentColor}
.good{color:var(--good);background:#1a7f4b14}.bad{color:var(--bad);background:#b3261e12}.neutral{color:var(--neutral);background:#8a610014}
.where{font-size:17px;margin:10px 0 0}
.why{margin:8px 0 0;padding:10px 14px;border-left:3px solid var(--bad);background:#b3261e0a;overflow-wrap:anywhere}
dl{margin:0}dt{color:var(--soft);font-size:12.5px}dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.facts{display:flex;flex-wrap:wrap;gap:8px 34px;margin-top:20px;padding-top:16px;border-top:1px solid var(--line)}
.disks{display:grid;grid-template-columns:1fr 34px 1fr;margin-top:26px;align-items:stretch}
.arrow{align-self:center;text-align:center;font-size:24px;color:var(--accent)}
.disk{border:1px solid var(--line);border-radius:10px;padding:16px 18px;min-width:0;display:flex;flex-direction:column}
.disk h2{margin:0;font-size:13px;color:var(--accent);text-transform:uppercase;letter-spacing:.06em;display:flex;justify-content:space-between}
.disk h2 span{color:var(--soft);font-weight:400;text-transform:none;letter-spacing:0}
.path{font:600 16px/1.4 ui-monospace,"DejaVu Sans Mono",monospace;margin:4px 0 10px;overflow-wrap:anywhere}
.disk dl>div{display:grid;grid-template-columns:92px 1fr;gap:8px;padding:3px 0}
.disk dd{font-size:14px}
.disk dl{margin-bottom:10px}
.state{margin:auto 0 0;padding-top:10px;border-top:1px dashed var(--line);color:var(--accent);font-weight:600;font-size:14px}
.bar{display:flex;height:14px;border-radius:7px;overflow:hidden;background:var(--line);margin-top:30px;gap:1px}
.bar i{display:block;height:100%}
.part0{background:#0b6e7f}.part1{background:#e39a2d}.part2{background:#c3ccd4}
.legend{list-style:none;padding:0;margin:10px 0 0;display:flex;flex-wrap:wrap;gap:4px 28px;color:var(--soft);font-size:14px}
.legend i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:7px}
.legend strong{color:var(--ink);font-variant-numeric:tabular-nums}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:400;color:var(--soft);vertical-align:top;width:235px}
th,td{padding:6px 12px 6px 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
.notes{background:#e39a2d14;border:1px solid #e39a2d55;border-radius:10px;padding:2px 20px 12px;margin-top:30px}
.notes h2{margin-top:14px}.notes ul{margin:0;padding-left:20px}.notes li{margin:4px 0;overflow-wrap:anywhere}
.journal{font-size:13.5px}.journal th{width:auto;font-size:12.5px}
.journal td:nth-child(-n+2){white-space:nowrap;color:var(--soft);font-variant-numeric:tabular-nums;width:1%}
.journal .failed td:last-child,.journal .decision td:last-child{color:var(--bad);font-weight:600}
.journal .committed td:last-child,.journal .finished td:last-child,.journal .undone td:last-child{font-weight:600}
footer{margin-top:40px;color:var(--soft);font-size:12.5px}
.signatures{display:grid;grid-template-columns:1fr 1fr;gap:48px;margin-bottom:22px;break-inside:avoid}
.signatures div{border-top:1px solid var(--soft);padding-top:4px;margin-top:44px;position:relative}
.signatures span{position:absolute;bottom:100%;color:var(--ink);font-size:15px;padding-bottom:4px}
tr,.disk,.notes li{break-inside:avoid}h2{break-after:avoid}
@page{margin:16mm}
@media print{body{background:none;font-size:12.5px}main{margin:0;padding:0;max-width:none;box-shadow:none;border-radius:0}}
@media (max-width:700px){main{padding:24px 20px;margin:0;border-radius:0}.disks{grid-template-columns:1fr}.arrow{transform:rotate(90deg)}th{width:40%}}
`;
