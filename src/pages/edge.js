// Runs on an agent's origin: trades the entry ticket for this host's cookie, or waits until the agent has woken.

const message = document.getElementById("message");
const phases = {
  allocate: "Getting a place to run",
  restore: "Restoring its memory",
  inject: "Handing over its keys",
  boot: "Starting",
  ready: "Ready",
};

async function enter() {
  const ticket = location.hash.slice(1);
  // Out of the address bar and the history before anything else.
  history.replaceState(null, "", location.pathname);
  const answer = await fetch("/.edge/enter", { method: "POST", body: ticket });
  if (answer.ok) {
    location.replace("/");
    return;
  }
  const problem = await answer.json().catch(() => ({}));
  message.textContent = problem.detail ?? "This entry can't be used. Open the agent from the console again.";
}

async function wait() {
  const answer = await fetch("/.edge/status");
  if (!answer.ok) {
    setTimeout(() => location.reload(), 3000);
    return;
  }
  const status = await answer.json();
  if (status.state === "running") {
    location.reload();
    return;
  }
  if (status.state === "failed" || status.state === "asleep") {
    message.textContent = status.problem?.detail ?? "It sleeps. Reload this page to wake it.";
    return;
  }
  message.textContent = phases[status.phase] ?? "One moment";
  setTimeout(wait, 1000);
}

(document.body.dataset.page === "enter" ? enter() : wait()).catch(() => {
  message.textContent = "The connection was lost. Reload this page.";
});
