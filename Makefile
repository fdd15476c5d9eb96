# The commands a person types. Each does all the set-up it needs; with nothing to do it takes seconds.
.PHONY: build demo test test-all install package format clean

build: ; @tools/build release
demo: build ; @tools/demo
test: ; @tools/check
test-all: ; @tools/check --all
format: ; @tools/format

# PREFIX=/usr/local make install
PREFIX ?= /usr/local
install: build ; cmake --install build/release --prefix "$(PREFIX)"

# A Debian package with the engines in it, in build/release.
package: build ; cd build/release && cpack -G DEB

clean: ; rm -rf build/release build/dev build/asan build/tsan build/fuzz build/minimal
