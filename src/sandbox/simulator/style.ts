/** The simulator's style sheet. */
export const simulatorStyle = `
:root { --green: #00a884; --dark: #111b21; --line: #e3e6e8; --pale: #f0f2f5; --grey: #667781; --own: #d9fdd3; --paper: #efeae2; }
* { box-sizing: border-box; }
body { margin: 0; height: 100vh; display: grid; grid-template: auto minmax(0, 1fr) / 280px 320px minmax(0, 1fr); font: 15px/1.4 system-ui, sans-serif; color: var(--dark); background: var(--pale); }
header { grid-column: 1 / -1; display: flex; align-items: center; gap: 12px; padding: 12px 20px; color: #fff; background: linear-gradient(90deg, #008069, var(--green)); }
header h1 { margin: 0; font-size: 18px; font-weight: 600; }
header p { margin: 0; opacity: .85; flex: 1; }
header label { font-size: 13px; } header select { color: var(--dark); }
main, aside, nav { overflow: auto; min-height: 0; }
nav, aside { background: #fff; border-right: 1px solid var(--line); }
h2 { margin: 0; padding: 14px 16px 8px; font-size: 13px; text-transform: uppercase; letter-spacing: .05em; color: var(--grey); }
button, select, input, textarea { font: inherit; border: 1px solid var(--line); border-radius: 8px; padding: 6px 10px; background: #fff; color: inherit; }
button { cursor: pointer; } button:hover { background: var(--pale); }
button.main { background: var(--green); border-color: var(--green); color: #fff; } button.main:hover { background: #008f70; }
button:disabled { opacity: .5; cursor: default; }
:focus-visible { outline: 2px solid var(--green); outline-offset: 1px; }
.card { margin: 0 12px 12px; padding: 12px; border: 1px solid var(--line); border-radius: 12px; cursor: pointer; }
.card.chosen { border-color: var(--green); box-shadow: 0 0 0 1px var(--green); }
.card .top { display: flex; justify-content: space-between; gap: 8px; align-items: center; }
.card form { display: grid; gap: 8px; margin-top: 10px; }
.card img { width: 100%; image-rendering: pixelated; border: 1px solid var(--line); border-radius: 8px; }
.row { display: flex; gap: 8px; margin-top: 10px; flex-wrap: wrap; }
.chip { font-size: 12px; padding: 2px 8px; border-radius: 99px; background: var(--pale); color: var(--grey); white-space: nowrap; }
.chip.on { background: #d7f5ec; color: #00694f; }
.quiet { color: var(--grey); font-size: 13px; }
.empty { padding: 24px 16px; color: var(--grey); }
.chat { display: flex; gap: 12px; width: 100%; padding: 10px 16px; border: 0; border-radius: 0; text-align: left; border-bottom: 1px solid var(--pale); }
.chat.chosen { background: var(--pale); }
.chat .who { flex: 1; min-width: 0; }
.chat .who b, .chat .who span { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.face { flex: none; width: 42px; height: 42px; border-radius: 50%; display: grid; place-items: center; color: #fff; font-weight: 600; }
.new { display: grid; gap: 8px; padding: 4px 16px 14px; border-bottom: 1px solid var(--line); }
main { display: grid; grid-template: auto minmax(0, 1fr) auto / minmax(0, 1fr); background: var(--paper); }
main > .head { display: flex; gap: 12px; align-items: center; padding: 10px 20px; background: var(--pale); border-bottom: 1px solid var(--line); }
.stream { overflow: auto; padding: 20px 6%; display: flex; flex-direction: column; gap: 6px; }
.bubble { max-width: 70%; align-self: flex-start; padding: 6px 10px; border-radius: 10px; background: #fff; box-shadow: 0 1px 1px #0002; overflow-wrap: anywhere; }
.bubble.own { align-self: flex-end; background: var(--own); }
.bubble .text { white-space: pre-wrap; }
.bubble img, .bubble video { display: block; max-width: 100%; max-height: 320px; border-radius: 8px; margin: 2px 0; }
.bubble .meta { display: flex; justify-content: flex-end; gap: 6px; font-size: 11px; color: var(--grey); }
.bubble .quote { border-left: 3px solid var(--green); background: #0000000d; padding: 4px 8px; border-radius: 6px; font-size: 13px; white-space: pre-wrap; }
.bubble .author { font-size: 12px; font-weight: 600; color: var(--green); }
.bubble.gone .text { font-style: italic; color: var(--grey); }
.bubble .reactions { font-size: 13px; }
.bubble .acts { display: none; gap: 4px; margin-right: auto; }
.bubble:hover .acts, .bubble:focus-within .acts { display: flex; }
.bubble .acts button { padding: 0 6px; font-size: 12px; border-radius: 6px; }
main > .head .acts { margin-left: auto; display: flex; gap: 8px; }
.ticks.read { color: #53bdeb; }
.file { display: flex; gap: 8px; align-items: center; text-decoration: none; color: inherit; padding: 8px; background: #0000000d; border-radius: 8px; }
.write { display: flex; gap: 10px; align-items: center; padding: 10px 20px; background: var(--pale); }
.write label { white-space: nowrap; cursor: pointer; } .write [type=file] { position: absolute; width: 1px; height: 1px; opacity: 0; }
.write .attach { max-width: 180px; overflow: hidden; text-overflow: ellipsis; padding: 6px 10px; border: 1px solid var(--line); border-radius: 8px; background: #fff; }
.write textarea { flex: 1; min-width: 0; resize: none; min-height: 40px; max-height: 160px; }
.note { position: fixed; right: 20px; bottom: 84px; max-width: 420px; padding: 10px 16px; border-radius: 10px; color: #fff; background: #b3261e; box-shadow: 0 4px 16px #0004; }
.note[hidden] { display: none; }
@media (max-width: 900px) { body { grid-template: auto auto auto 1fr / 1fr; overflow: auto; } nav, aside { max-height: 40vh; } main { min-height: 80vh; } }
`;
