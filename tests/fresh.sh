#!/usr/bin/env bash
# Both commands of the README as on a new machine: a clone of HEAD, and no cache but those that the clone fills.
# What the machine's owner has set (package indexes, certificates) stays; Debian packages that are there stay too.
set -euo pipefail
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
folder=$(mktemp -d "${TMPDIR:-/tmp}/w2s-fresh.XXXXXX")
remove() {
  # buildah leaves layers of the images that it sent mounted in its storage, which is in the cache; the deepest go first.
  cut -d' ' -f2 /proc/mounts | { grep "^$folder/" || true; } | sort -r | xargs -r -n1 umount
  chmod -R u+w "$folder" # Go keeps its modules without write bits
  rm -rf "$folder"
}
trap remove EXIT

git clone -q "$repository" "$folder/w2s"
export XDG_CONFIG_HOME=${XDG_CONFIG_HOME:-$HOME/.config}
export HOME=$folder/home XDG_CACHE_HOME=$folder/home/.cache
unset W2S_CACHE W2S_CLUSTER_DIR GOPATH GOCACHE GOMODCACHE UV_CACHE_DIR PIP_CACHE_DIR HF_HOME
mkdir -p "$HOME"
cd "$folder/w2s"

for target in demo test; do
  began=$SECONDS
  make "$target"
  times+=("make $target: $((SECONDS - began)) s")
done
printf '\nFrom a fresh clone of %s, with empty caches, %s cores:\n' "$(git rev-parse --short HEAD)" "$(nproc)"
printf '  %s\n' "${times[@]}"
