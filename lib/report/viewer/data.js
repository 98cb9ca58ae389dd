// Page data → typed arrays (SCHEMA.md, "Page data"). Nothing here allocates per span.

const DIGIT = new Uint8Array(128).fill(255);
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    .split("").forEach((digit, value) => { DIGIT[digit.charCodeAt(0)] = value; });

/** Bytes of a base64 text, for browsers without Uint8Array.fromBase64. */
export function decodeBase64(text) {
    let length = text.length;
    while (length > 0 && text[length - 1] === "=")
        length--;
    const bytes = new Uint8Array(Math.floor(length * 3 / 4));
    for (let i = 0, at = 0, bits = 0, have = 0; i < length; i++) {
        const value = DIGIT[text.charCodeAt(i) & 127];
        if (value === 255)
            throw new Error("the page's data is damaged: not base64");
        bits = (bits << 6 | value) & 0xffffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[at++] = bits >> have & 255;
        }
    }
    return bytes;
}

function fromBase64(text) {
    return Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : decodeBase64(text);
}

/** Without Blob or Response: those take a way through other processes for each block. */
async function gunzip(bytes) {
    const stream = new DecompressionStream("gzip");
    const writer = stream.writable.getWriter();
    // What fails here fails in read(), too: say it once.
    writer.write(bytes).catch(() => {});
    writer.close().catch(() => {});
    const chunks = [];
    let length = 0;
    for (const reader = stream.readable.getReader(); ;) {
        const {value, done} = await reader.read();
        if (done)
            break;
        chunks.push(value);
        length += value.length;
    }
    const whole = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
        whole.set(chunk, at);
        at += chunk.length;
    }
    return whole;
}

/** Read `count` varints from `bytes` at `at` into `out`; the place after them. Numbers
 * beyond 2^53 lose their last bits: times and durations stay far below. */
export function readVarints(bytes, at, count, out) {
    for (let i = 0; i < count; i++) {
        let byte = bytes[at++];
        let value = byte & 127;
        if (byte > 127) {
            byte = bytes[at++];
            value |= (byte & 127) << 7;
            if (byte > 127) {
                byte = bytes[at++];
                value |= (byte & 127) << 14;
                for (let scale = 2097152; byte > 127; scale *= 128) {
                    byte = bytes[at++];
                    value += (byte & 127) * scale;
                }
            }
        }
        out[i] = value;
    }
    if (at > bytes.length)
        throw new Error("the page's data is damaged: a column ends too early");
    return at;
}

/** The columns of a block (SCHEMA.md) as Float64Arrays of `rows` values. */
export function readColumns(bytes, rows) {
    const count = new Float64Array(1);
    let at = readVarints(bytes, 0, 1, count);
    const lengths = new Float64Array(Math.min(count[0], 16));
    at = readVarints(bytes, at, lengths.length, lengths);
    const columns = [];
    for (const length of lengths) {
        const column = new Float64Array(rows);
        if (readVarints(bytes, at, rows, column) !== at + length)
            throw new Error("the page's data is damaged: a column has another length");
        columns.push(column);
        at += length;
    }
    return columns;
}

/** The spans of one GIL and kind, or of one thread's states (`member` is the CPU + 1 there,
 * `flags` the state), in the order of the file. */
export class Spans {
    constructor(count) {
        this.count = count;
        this.start = new Float64Array(count); // ns since time zero
        this.end = new Float64Array(count);
        this.member = new Uint32Array(count);
        this.flags = new Uint8Array(count); // CUT_START, CUT_END
    }
}

export const CUT_START = 1;
export const CUT_END = 2;

function unzigzag(value) {
    const half = Math.floor(value / 2);
    return half * 2 === value ? half : -half - 1;
}

/** Fill `spans` from row `first` on with a block's columns. */
function storeSpans(spans, first, [who, gap, length], {byStart, members, bits}) {
    const {start, end, member, flags} = spans;
    const rows = who.length;
    for (let i = 0, at = first, previous = 0; i < rows; i++, at++) {
        const time = previous + unzigzag(gap[i]);
        const ns = length[i];
        previous = byStart ? time + ns : time;
        start[at] = previous - ns;
        end[at] = previous;
        member[at] = who[i] >>> bits;
        flags[at] = who[i] & (1 << bits) - 1;
    }
    for (let at = first; at < first + rows; at++)
        if (member[at] >= members)
            throw new Error("the page's data is damaged: a span of no thread");
}

/** Calls of one thread, in the order of their starts: they nest. */
export class Calls {
    constructor(count) {
        this.count = count;
        this.start = new Float64Array(count);
        this.end = new Float64Array(count);
        this.function = new Uint32Array(count); // place in the names' functions
        this.depth = new Uint16Array(count);
        this.flags = new Uint8Array(count);
    }
}

function storeCalls(calls, first, [called, gap, length, depth], functions) {
    for (let i = 0, at = first, start = 0; i < called.length; i++, at++) {
        if (called[i] >= functions)
            throw new Error("the page's data is damaged: a call of no function");
        start += unzigzag(gap[i]);
        calls.start[at] = start;
        calls.end[at] = start + length[i];
        calls.function[at] = called[i];
        calls.depth[at] = depth[i] >>> 4;
        calls.flags[at] = depth[i] & 15;
    }
}

/** Samples of one counter, in the order of the file. */
export class Samples {
    constructor(count) {
        this.count = count;
        this.time = new Float64Array(count); // ns since time zero
        this.thread = new Uint32Array(count);
        this.period = new Float64Array(count); // events that a sample stands for
    }
}

function storeSamples(samples, first, [thread, gap, period], threads) {
    for (let i = 0, at = first, time = 0; i < thread.length; i++, at++) {
        if (thread[i] >= threads)
            throw new Error("the page's data is damaged: a sample of no thread");
        time += unzigzag(gap[i]);
        samples.time[at] = time;
        samples.thread[at] = thread[i];
        samples.period[at] = period[i];
    }
}

/** A flame graph's frames: each comes after its parent (-1: everything). */
export class FlameNodes {
    constructor(count) {
        this.count = count;
        this.name = new Uint32Array(count); // place in the names' frames
        this.parent = new Int32Array(count);
        this.self = new Float64Array(count); // ns
    }
}

function storeFlame(nodes, first, [name, up, self], frames) {
    for (let i = 0, at = first; i < name.length; i++, at++) {
        const parent = at - up[i]; // the root comes before row 0
        if (name[i] >= frames || up[i] < 1 || parent < -1)
            throw new Error("the page's data is damaged: a frame of no name or no parent");
        nodes.name[at] = name[i];
        nodes.parent[at] = parent;
        nodes.self[at] = self[i];
    }
}

/** What the page holds besides spans; throws when it is missing or of another version. */
export function readNames(text) {
    const names = JSON.parse(text);
    if (names.schema !== 1)
        throw new Error(`the page's data is of version ${names.schema}, this viewer reads 1`);
    for (const thread of names.threads)
        Object.assign(thread, {
            stateSpans: thread.states > 0 ? new Spans(thread.states) : null,
            callSpans: thread.calls > 0 ? new Calls(thread.calls) : null,
        });
    for (const counter of names.counters ?? [])
        counter.values = new Samples(counter.samples);
    for (const flame of names.flames ?? [])
        flame.values = new FlameNodes(flame.nodes);
    for (const gil of names.gils) {
        gil.holdSpans = new Spans(gil.holds);
        gil.waitSpans = new Spans(gil.waits);
    }
    return names;
}

/** Where a block's rows go, and how its first column is made: who << bits | flags. */
function targetOf(names, table, key) {
    if (table === "states")
        return {spans: names.threads[key]?.stateSpans, byStart: true, members: Infinity, bits: 4};
    if (table === "calls")
        return {spans: names.threads[key]?.callSpans};
    if (table === "counters")
        return {spans: names.counters?.[key]?.values};
    if (table === "flame")
        return {spans: names.flames?.find(({state}) => state === key)?.values};
    const gil = names.gils[key];
    const spans = {holds: gil?.holdSpans, waits: gil?.waitSpans}[table];
    return {spans, byStart: table === "holds", members: gil?.members.length, bits: 2};
}

/** Decode blocks ({table, key, rows, text()}) into the spans of `names`. */
export async function readBlocks(names, blocks) {
    const next = new Map();
    const inflated = [];
    const inflate = async (block) => gunzip(fromBase64(block.text()));
    const inflateEarly = (block) => {
        const bytes = inflate(block);
        bytes.catch(() => {}); // its turn to fail comes with its await
        return bytes;
    };
    for (let i = 0; i < blocks.length; i++) {
        const {table, key, rows} = blocks[i];
        const target = targetOf(names, table, key);
        const {spans} = target;
        // Blocks are inflated two ahead, while this one is stored.
        for (let ahead = i; ahead < Math.min(i + 3, blocks.length); ahead++)
            inflated[ahead] ??= inflateEarly(blocks[ahead]);
        const bytes = await inflated[i];
        inflated[i] = true;
        if (!spans)
            continue; // a table of a later version
        const first = next.get(spans) ?? 0;
        if (first + rows > spans.count)
            throw new Error("the page's data is damaged: more spans than announced");
        if (spans instanceof Samples)
            storeSamples(spans, first, readColumns(bytes, rows), names.threads.length);
        else if (spans instanceof Calls)
            storeCalls(spans, first, readColumns(bytes, rows), names.functions.length);
        else if (spans instanceof FlameNodes)
            storeFlame(spans, first, readColumns(bytes, rows), names.frames.length);
        else
            storeSpans(spans, first, readColumns(bytes, rows), target);
        next.set(spans, first + rows);
    }
}

/** Read the page's own data from the document, and let go of its text. */
export async function readDocument() {
    const text = (id) => document.getElementById(id)?.textContent || "{}";
    const names = readNames(text("page-data"));
    const summary = JSON.parse(text("summary-data"));
    const blocks = [...document.querySelectorAll("script[data-table]")].map((element) => ({
        table: element.dataset.table,
        key: Number(element.dataset.key),
        rows: Number(element.dataset.rows),
        text: () => {
            const content = element.textContent;
            element.remove();
            return content;
        },
    }));
    await readBlocks(names, blocks);
    return {names, summary};
}
