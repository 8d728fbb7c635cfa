// Dark or light, before anything is drawn: as it was chosen here, else as the machine has it.
{
  const chosen = localStorage.getItem("fillstream.theme");
  const asked = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  document.documentElement.dataset.theme = chosen ?? asked;
}
