// The part of a room's history that is shown: it grows by pages at both ends, and live messages follow it at its end.

import { call } from "./api.js";
import { byId, toast } from "./dom.js";

const PAGE_SIZE = 50;
const SHOWN_MAX = 500;
// Live messages that are kept while an older part of the history is shown.
const AHEAD_MAX = 200;

export class History {
  #timeline;
  #list;
  #on;
  #isLoading = false;
  #isReading = false;
  #ahead = [];
  #reveal = null;

  isLoaded = false;
  hasOlder = false;
  hasNewer = false;

  /**
   * `on`: path() of the messages; isClosed(); shows(page), before a page replaces what is shown; takes(page), after the
   * messages of any page are in the timeline; draw().
   */
  constructor({ timeline, list, on }) {
    this.#timeline = timeline;
    this.#list = list;
    this.#on = on;
  }

  #page(place = {}) {
    return call("GET", `${this.#on.path()}?${new URLSearchParams({ limit: PAGE_SIZE, ...place })}`);
  }

  async readNewest() {
    this.#isReading = true;
    try {
      const page = await this.#page();
      if (this.#on.isClosed()) return;
      this.#show(page);
      this.#list.toBottom();
    } finally {
      this.#isReading = false;
    }
  }

  #take(page) {
    for (const message of page.messages) this.#timeline.accept(message, page.seq);
    this.#on.takes(page);
    this.#on.draw();
  }

  /** Shows a page instead of what is shown. */
  #show(page) {
    this.#timeline.reset();
    this.#on.shows(page);
    this.hasOlder = page.has_more;
    this.hasNewer = page.has_newer === true;
    this.isLoaded = true;
    byId("jump").hidden = !this.hasNewer;
    this.#take(page);
    this.#catchUp();
  }

  /** Adds the live messages that did not follow what was shown, and now do. */
  #catchUp() {
    if (this.hasNewer) return;
    byId("jump").hidden = true;
    const shownSeq = this.#timeline.newest()?.seq ?? 0;
    for (const message of this.#ahead) if (message.seq > shownSeq) this.#timeline.accept(message);
    this.#ahead = [];
  }

  /** Shows a message with the history around it. */
  async jumpTo(messageId) {
    try {
      if (!this.#timeline.has(messageId)) {
        const page = await this.#page({ around: messageId });
        if (this.#on.isClosed()) return;
        this.#show(page);
      }
      this.#reveal = messageId;
      this.#on.draw();
    } catch (error) {
      toast(error.status === 404 ? "This message is no longer here." : error.message);
    }
  }

  /** Shows the newest messages. */
  async toNewest() {
    try {
      if (this.hasNewer) await this.readNewest();
    } catch (error) {
      toast(error.message);
    }
    this.#list.toBottom();
  }

  /** Runs one load at a time. */
  async #load(read) {
    if (this.#isLoading) return;
    this.#isLoading = true;
    byId("older").textContent = "Loading…";
    try {
      await read();
    } catch (error) {
      toast(error.message);
    } finally {
      this.#isLoading = false;
      byId("older").textContent = "Load older messages";
      this.#on.draw();
    }
  }

  loadOlder() {
    const oldest = this.#timeline.oldest();
    if (!this.hasOlder || !oldest) return;
    this.#load(async () => {
      const page = await this.#page({ before: oldest.id });
      if (!this.#timeline.has(oldest.id)) return; // another part is shown meanwhile
      this.#take(page);
      this.hasOlder = page.has_more;
    });
  }

  loadNewer() {
    const newest = this.#timeline.newest();
    if (!this.hasNewer || !newest) return;
    this.#load(async () => {
      const page = await this.#page({ after: newest.id });
      if (!this.hasNewer || !this.#timeline.has(newest.id)) return;
      this.#take(page);
      this.hasNewer = page.has_newer;
      this.#catchUp();
    });
  }

  // ---- live messages

  /** Takes a live message. Whether it is new and shown. */
  takeLive(message) {
    if (this.hasNewer || this.#isReading) {
      // It does not follow what is shown.
      this.#ahead = [...this.#ahead, message].slice(-AHEAD_MAX);
      return false;
    }
    const isNew = this.#timeline.accept(message);
    this.#on.draw();
    return isNew;
  }

  /** Changes a live message that is not shown yet. */
  changeAhead(id, change) {
    const message = this.#ahead.find((one) => one.id === id);
    if (message) change(message);
  }

  // ---- drawing

  /** Forgets the oldest messages while the user is at the newest ones. */
  trim() {
    if (!this.hasNewer && this.#list.atBottom() && this.#timeline.trim(SHOWN_MAX)) this.hasOlder = true;
  }

  showEnds() {
    byId("older").hidden = !this.hasOlder;
    if (this.hasNewer) byId("jump").hidden = false;
  }

  /** Scrolls to the message of `jumpTo`, once it is drawn. */
  revealWanted() {
    if (this.#reveal && this.#list.reveal(this.#reveal)) this.#reveal = null;
  }
}
