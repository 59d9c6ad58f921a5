#!/bin/bash
# Puts Debian's ZooKeeper and the Java that it runs on into bin/zookeeper, from the
# package sources of this machine. Installs nothing on the machine, and needs no root.
# Does nothing when it has been done before.
set -euo pipefail
cd "$(dirname "$0")"
out=$(cd ../.. && pwd)/bin/zookeeper
jre=default-jre-headless
server=libzookeeper-java # the package zookeeper has scripts for systemd, and no server

[[ ! -x $out/server ]] || exit 0
for tool in apt-get apt-cache dpkg-deb; do
  command -v $tool >/dev/null || { echo "There is no $tool: ZooKeeper comes from Debian's packages." >&2; exit 3; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,archives/partial,debs,root}
apt=(-qq -o "APT::Sandbox::User=$(id -un)") # as which packages are downloaded

# The machine's own lists serve as they are, unless they are missing or out of date.
own_lists() {
  echo "Reading the package lists ..."
  apt+=(-o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work" -o Dir::Cache::archives=archives)
  apt-get "${apt[@]}" update
}

dependencies() {
  apt-cache "${apt[@]}" depends --important "$1" | awk '$1 ~ /Depends:$/ {print $2}'
}

packages() {
  echo "$server"
  dependencies "$server" | grep -E '^lib.*-java$'
  dependencies "$jre" | grep -m1 -- '-jre-headless$'
}

download() {
  local list
  list=$(packages) && (cd "$work/debs" && xargs apt-get "${apt[@]}" download <<<"$list")
}

echo "Downloading ZooKeeper and Java ..."
download 2>/dev/null || { own_lists && download; }
for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/root"; done

# Debian's packages point at each other by absolute paths.
find "$work/root" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
  target=$work/root$(readlink "$link")
  [[ ! -e $target ]] || ln -sfnr "$target" "$link"
done

java=$(cd "$work/root" && ls usr/lib/jvm/*/bin/java | head -n 1)
cat >"$work/root/server" <<END
#!/bin/bash
# usage: server zoo.cfg
root=\$(cd "\$(dirname "\$0")" && pwd)
exec "\$root/$java" -Xmx256m -Dzookeeper.admin.enableServer=false -cp "\$root/usr/share/java/*" \\
  org.apache.zookeeper.server.ZooKeeperServerMain "\$@"
END
chmod +x "$work/root/server"
rm -rf "$out" && mkdir -p "$(dirname "$out")" && mv "$work/root" "$out"
echo "ZooKeeper is in $out."
