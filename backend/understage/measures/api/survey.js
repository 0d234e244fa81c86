// Answers with the token of whoever is signed in: `?provider=` names the provider of the auth backend, guest without one.
const form = document.getElementById("survey");
const outcome = document.getElementById("outcome");
const parameters = new URLSearchParams(location.search);
const provider = encodeURIComponent(parameters.get("provider") || "guest");
const environment = encodeURIComponent(parameters.get("env") || "development");

async function token() {
  const url = `${document.body.dataset.auth}/${provider}/refresh?optional&env=${environment}`;
  const answer = await fetch(url, { credentials: "include", headers: { "x-requested-with": "XMLHttpRequest" } });
  const body = answer.ok ? await answer.json() : {};
  if (!body.backstageIdentity) throw new Error("Sign in to the portal first, then open this page again.");
  return body.backstageIdentity.token;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  outcome.textContent = "";
  try {
    const comment = document.getElementById("comment").value;
    const score = Number(new FormData(form).get("score"));
    const answer = await fetch("../survey", {
      method: "POST",
      headers: { authorization: `Bearer ${await token()}`, "content-type": "application/json" },
      body: JSON.stringify({ score, comment }),
    });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error.message);
    form.hidden = true;
    outcome.textContent = `Thank you. Your answer for ${body.period} is stored.`;
  } catch (error) {
    outcome.textContent = error.message;
  } finally {
    button.disabled = false;
  }
});
