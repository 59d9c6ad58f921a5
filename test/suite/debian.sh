# To be sourced by scripts that put programs of Debian's packages into bin/. It takes them
# from the package sources of this machine, installs nothing on it, and needs no root.

# debian_unpack unpacks the packages that a function names, one a line, into the folder
# $root, which is gone when the script ends. The function may ask "apt-cache ${apt[@]}".
debian_unpack() {
  local tool
  for tool in apt-get apt-cache dpkg-deb; do
    command -v $tool >/dev/null || { echo "There is no $tool: this comes from Debian's packages." >&2; exit 3; }
  done
  debian_work=$(mktemp -d)
  trap 'rm -rf "$debian_work"' EXIT
  root=$debian_work/root
  mkdir -p "$debian_work"/{lists/partial,archives/partial,debs,root}
  apt=(-qq -o "APT::Sandbox::User=$(id -un)") # as which packages are downloaded
  debian_download "$1" 2>/dev/null || { debian_own_lists && debian_download "$1"; }
  local deb
  for deb in "$debian_work"/debs/*.deb; do dpkg-deb -x "$deb" "$root"; done
}

debian_download() {
  local list
  list=$("$1") && (cd "$debian_work/debs" && xargs apt-get "${apt[@]}" download <<<"$list")
}

# The machine's own lists serve as they are, unless they are missing or out of date.
debian_own_lists() {
  echo "Reading the package lists ..."
  apt+=(-o "Dir::State::lists=$debian_work/lists" -o "Dir::Cache=$debian_work" -o Dir::Cache::archives=archives)
  apt-get "${apt[@]}" update
}

# debian_install moves what was unpacked to where it stays.
debian_install() {
  rm -rf "$1" && mkdir -p "$(dirname "$1")" && mv "$root" "$1"
}
