/* Stands in for a worker: starts the real one with the shim preloaded. The worker's environment is strop's choice, so
 * that what to preload stands in a file beside this program: shim, folder of the real workers, control file. */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int line(FILE* file, char* text) {
  if (!fgets(text, PATH_MAX, file)) return 0;
  text[strcspn(text, "\n")] = 0;
  return 1;
}

int main(int count, char** arguments) {
  char self[PATH_MAX], here[PATH_MAX], settings[PATH_MAX + 16];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length <= 0 || count < 1) return 2;
  self[length] = 0;
  strcpy(here, self);
  snprintf(settings, sizeof settings, "%s/preload", dirname(here));
  FILE* file = fopen(settings, "re");
  char shim[PATH_MAX], folder[PATH_MAX], control[PATH_MAX], program[2 * PATH_MAX];
  if (!file || !line(file, shim) || !line(file, folder) || !line(file, control)) return 2;
  fclose(file);
  setenv("LD_PRELOAD", shim, 1);
  setenv("STROP_WRITE_FAULTS", control, 1);
  snprintf(program, sizeof program, "%s/%s", folder, basename(self));
  arguments[0] = program;
  execv(program, arguments);
  perror(program);
  return 2;
}
