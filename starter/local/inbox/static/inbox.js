// Shows new messages as they come. Without it the page works too: reload it.
const list = document.querySelector("[data-newest]");
if (list && !new URLSearchParams(location.search).has("before")) {
  let seen = list.dataset.newest;
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const { newest } = await (await fetch("/api/messages?limit=1")).json();
      if (String(newest) === seen) return;
      const fresh = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
      for (const part of ["[data-newest]", "[data-total]"]) {
        document.querySelector(part).replaceChildren(...fresh.querySelector(part).childNodes);
      }
      seen = String(newest);
    } catch {
      // The inbox is restarting; the next round finds it again.
    }
  }, 1500);
}
