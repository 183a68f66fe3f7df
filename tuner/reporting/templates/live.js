"use strict";
(() => {
  /* a page that a server shows: follows the search, and keeps the reader's place when it loads itself again */
  const EVERY = 5000;
  const bar = document.querySelector(".live");
  const status = bar.querySelector("[role=status]");
  const { study, version } = bar.dataset;
  const KEPT = `tuner ${location.pathname}`;
  let is_away = false;

  const say = (text) => { if (status.textContent !== text) status.textContent = text; };
  const many = (n, one) => `${n.toLocaleString("en-US")} ${one}${n === 1 ? "" : "s"}`;

  /* what the reader did to the page, by names that a new version of it has, too */
  const name_of = (one) => {
    const place = one.closest("[id]");
    const text = one.labels && one.labels[0] ? one.labels[0].textContent : one.placeholder || one.textContent;
    return [place ? place.id : "", one.tagName, text.trim().slice(0, 80)].join("|");
  };
  const all = (what) => [...document.querySelectorAll(what)];
  const headings = () => all("h1, h2, h3");
  const place = () => {
    const above = headings().filter((one) => one.getBoundingClientRect().top <= 80).pop();
    return above ? { name: name_of(above), top: above.getBoundingClientRect().top } : null;
  };
  const sorted = () => {
    const th = document.querySelector("th[aria-sort=ascending], th[aria-sort=descending]");
    return th && { text: th.textContent, way: th.ariaSort };
  };
  const keep = () => {
    const focused = document.activeElement;
    return {
      open: all("details[open] > summary").map(name_of),
      pressed: all("[aria-pressed=true]").map(name_of),
      boxes: all("input[type=checkbox]").map((one) => [name_of(one), one.checked]),
      searches: all("input[type=search]").map((one) => [name_of(one), one.value]),
      sort: sorted(),
      focus: focused && focused !== document.body ? name_of(focused) : null,
      place: place(),
    };
  };
  const restore = (kept) => {
    const find = (what, name) => all(what).find((one) => name_of(one) === name);
    kept.boxes.forEach(([name, checked]) => {
      const one = find("input[type=checkbox]", name);
      if (one && one.checked !== checked) one.click();
    });
    const head = kept.sort && all("th button").find((one) => one.textContent === kept.sort.text);
    for (let k = 0; head && k < 2; k++) {
      const now = sorted();
      if (now && now.text === kept.sort.text && now.way === kept.sort.way) break;
      all("th button").find((one) => one.textContent === kept.sort.text).click();
    }
    kept.searches.forEach(([name, value]) => {
      const one = find("input[type=search]", name);
      if (one && value) { one.value = value; one.dispatchEvent(new Event("input")); }
    });
    kept.pressed.forEach((name) => {
      const one = find("[aria-pressed]", name);
      if (one && one.getAttribute("aria-pressed") !== "true") one.click();
    });
    kept.open.forEach((name) => { const one = find("summary", name); if (one) one.parentElement.open = true; });
    const focused = kept.focus && all("a, button, input, summary, [tabindex]").find((one) => name_of(one) === kept.focus);
    if (focused) focused.focus({ preventScroll: true });
    const above = kept.place && headings().find((one) => name_of(one) === kept.place.name);
    if (above) scrollBy({ top: above.getBoundingClientRect().top - kept.place.top, behavior: "instant" });
  };
  const is_busy = () => {
    const tip = document.querySelector(".tip.pinned");
    return document.hidden || (tip && !tip.hidden) || !getSelection().isCollapsed || document.activeElement.matches("input");
  };

  const ask = async (address, options) => {
    const answer = await fetch(address, { cache: "no-store", ...options });
    if (!answer.ok) throw new Error(answer.status);
    return answer;
  };
  const describe = (state) => {
    const parts = [`${state.finished.toLocaleString("en-US")} of ${many(Math.max(state.finished, state.budget), "trial")}`];
    parts.push(state.workers.length ? `${state.workers.length} running` : "nothing runs");
    if (state.hold) parts.push(state.hold.kind.replace("_", " "));
    return parts.join(" · ");
  };
  const follow_study = async () => {
    const state = await (await ask(`../api/studies/${study}`)).json();
    const words = describe(state);
    if (version.split("-")[0] === state.version) { say(words); return; }
    if (is_busy()) { say(`${words} · new results wait until you are done here`); return; }
    say(`${words} · new results`);
    const newest = await ask(location.href, { method: "HEAD" }); // makes the report, so that loading it takes no time
    if (newest.headers.get("ETag") === `"${version}"` || is_busy()) return;
    try { sessionStorage.setItem(KEPT, JSON.stringify(keep())); } catch { /* the place is lost, the page is not */ }
    location.reload();
  };
  const follow_list = async () => {
    const text = await (await ask(location.href)).text();
    const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main");
    const main = document.querySelector("main");
    if (fresh.innerHTML !== main.innerHTML && !is_busy()) {
      const focused = main.contains(document.activeElement) ? name_of(document.activeElement) : null;
      main.replaceChildren(...fresh.childNodes);
      const again = focused && [...main.querySelectorAll("a")].find((one) => name_of(one) === focused);
      if (again) again.focus({ preventScroll: true });
    }
    say("live");
  };
  const follow = async () => {
    if (!document.hidden) {
      try {
        await (study ? follow_study() : follow_list());
        is_away = false;
      } catch {
        if (is_away) say("the server or its database does not answer; trying again");
        is_away = true;
      }
    }
    setTimeout(follow, EVERY);
  };
  try {
    const kept = sessionStorage.getItem(KEPT);
    sessionStorage.removeItem(KEPT);
    if (kept) restore(JSON.parse(kept));
  } catch { /* a page of an older version was kept */ }
  follow();
})();
