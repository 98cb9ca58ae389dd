// Search for threads by name, id or process, with next and previous.

import {byId} from "./dom.js";
import {threadSelection} from "./model.js";

export class Search {
    constructor(model, view, timeline) {
        this.model = model;
        this.view = view;
        this.timeline = timeline;
        this.input = byId("search");
        this.found = [];
        this.at = -1;
        this.input.addEventListener("input", () => this.find());
        this.input.addEventListener("keydown", (event) => this.key(event));
        byId("search-next").addEventListener("click", () => this.next(1));
        byId("search-previous").addEventListener("click", () => this.next(-1));
    }

    key(event) {
        if (event.key === "Enter")
            this.next(event.shiftKey ? -1 : 1);
        else if (event.key === "Escape")
            this.clear();
    }

    focus() {
        this.input.focus();
        this.input.select();
    }

    clear() {
        this.input.value = "";
        this.find();
        this.input.blur();
    }

    find() {
        const words = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
        const text = ({thread}) => {
            const process = this.model.processes[thread.process];
            return `${thread.name} ${thread.tid} ${process.title} ${process.pid}`.toLowerCase();
        };
        this.found = words.length === 0 ? [] : this.model.processes.flatMap((process) =>
            this.model.threads.filter((thread) => thread.process === process.index)
                .flatMap((thread) => thread.lanes))
            .filter((lane) => words.every((word) => text(lane).includes(word)));
        this.at = -1;
        this.show();
    }

    next(direction) {
        const count = this.found.length;
        if (count === 0)
            return;
        this.at = this.at < 0 ? (direction > 0 ? 0 : count - 1)
            : (this.at + direction + count) % count;
        this.view.set({selection: threadSelection(this.found[this.at])});
        this.show();
    }

    show() {
        const {input, found, at} = this;
        byId("search-count").textContent = input.value === "" ? ""
            : `${at < 0 ? "" : `${at + 1} of `}${found.length}`;
        this.timeline.found = new Set(found);
        this.timeline.markSelected();
    }
}
