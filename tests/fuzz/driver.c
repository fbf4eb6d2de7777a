/* driver.c -- replays files through a fuzz target without libFuzzer: what `make check` runs on the kept corpus.
 *
 * Arguments are files and directories (not descended into). With none, the target's own corpus is taken: program
 * fuzz_NAME reads tests/fuzz/corpus/NAME. Prints TAP, one point a file: a target that returns is a pass, since what it
 * must never do is crash, hang or trip a sanitizer.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int n_run;

static void
replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *data;
	size_t n = 0;

	if (!f || fstat(fileno(f), &st) || !(data = malloc((size_t)st.st_size + !st.st_size))) {
		printf("not ok %d - cannot read %s\n", ++n_run, path);
		if (f)
			fclose(f);
		return;
	}
	n = fread(data, 1, (size_t)st.st_size, f);
	fclose(f);
	printf("# %s\n", path);                /* before the run: names the file when the target crashes */
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	printf("ok %d - %s\n", ++n_run, path);
}

static void
replay_dir(const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort);
	char path[4096];

	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
			replay(path);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

int
main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	char corpus[4096];
	struct stat st;

	snprintf(corpus, sizeof(corpus), "tests/fuzz/corpus/%s", strncmp(name, "fuzz_", 5) ? name : name + 5);
	if (argc < 2)
		replay_dir(corpus);
	for (int i = 1; i < argc; i++) {
		if (!stat(argv[i], &st) && S_ISDIR(st.st_mode))
			replay_dir(argv[i]);
		else
			replay(argv[i]);
	}
	if (!n_run)
		printf("not ok %d - no corpus for %s\n", ++n_run, name);
	printf("1..%d\n", n_run);
	return 0;
}
