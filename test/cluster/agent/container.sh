# Surrounds one container's process. Runs in a fresh mount namespace and in the network of the pod's sandbox.
#   $1 scratch folder   $2 table of mounts, one a line: source|target|ro, rw or image   $3 working directory
#   $4 ro or rw: the root file system   $5 init or command: what process 1 is   then: arguments of setpriv, --, the command
# Says "started" on descriptor 3, which closes when the command takes over. Nothing of a spec is part of this script.
set -e
scratch=$1; table=$2; workdir=$3; access=$4; first=$5; shift 5
command_path=$PATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$scratch"
root=$scratch/root
mkdir "$scratch/upper" "$scratch/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
# Tool chains below root's home (pyenv, for instance) must be reachable for other users; this changes the copy only.
chmod o+x "$root/root"
mount --rbind /sys "$root/sys"
# A device folder of its own: mount points made in the machine's would stay there.
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount --rbind /dev/pts "$root/dev/pts"
for device in /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty /dev/ptmx /dev/nvidia*; do
  if [ -c "$device" ]; then : > "$root$device"; mount --bind "$device" "$root$device"; fi
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"; ln -s /proc/self/fd/1 "$root/dev/stdout"; ln -s /proc/self/fd/2 "$root/dev/stderr"
# A layer of its own, since a volume may hide the folder (a checkout below /tmp) and its mode may keep users out: modes
# are changed in the container's copy, never on the machine.
images=0
mount_image() {
  images=$((images + 1))
  layer=$scratch/image-$images
  mkdir -p -- "$layer/upper" "$layer/work" "$2"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$layer/upper,workdir=$layer/work" "$2"
  folder=$2
  while [ "$folder" != "$root" ]; do chmod o+x "$folder"; folder=${folder%/*}; done
  chmod o+r "$2"
  mount -o remount,bind,ro "$2"
}
while IFS='|' read -r source target mode; do
  # Links are resolved as the container sees them: /var/run is one, and absolute.
  target=$root$(chroot "$root" realpath -m -- "$target")
  if [ "$mode" = image ]; then mount_image "$source" "$target"; continue; fi
  if [ -d "$source" ]; then mkdir -p -- "$target"; else mkdir -p -- "${target%/*}"; [ -e "$target" ] || : > "$target"; fi
  mount --bind "$source" "$target"
  if [ "$mode" = ro ]; then mount -o remount,bind,ro "$target"; fi
done < "$table"
chroot "$root" mkdir -p -- "$workdir"
if [ "$access" = ro ]; then mount -o remount,bind,ro "$root"; fi
# The rest happens inside: as process 1 of a pid namespace, still as root, until setpriv changes into the user. In a
# shared namespace process 1 is the sandbox's: this shell takes its part, and the command hears signals as any process.
inside='set -e
workdir=$1; path=$2; first=$3; shift 3
mount -t proc proc /proc
cd -- "$workdir"
PATH=$path
echo started >&3
if [ "$first" = command ]; then exec /usr/bin/setpriv --pdeathsig KILL "$@" 3>&-; fi
/usr/bin/env --default-signal=INT,QUIT /usr/bin/setpriv --pdeathsig KILL "$@" 3>&- &
exec 3>&-
wait $!'
# Not `unshare --fork`, whose exit status does not tell that its child was killed. A background job of a shell ignores
# INT and QUIT, so these are set back.
exec unshare --pid sh -c '
setpriv --pdeathsig KILL -- env --default-signal=INT,QUIT chroot "$0" sh -c "$@" &
exec 3>&-
wait $!' "$root" "$inside" container "$workdir" "$command_path" "$first" "$@"
