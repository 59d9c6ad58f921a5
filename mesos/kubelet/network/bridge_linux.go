package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// link is a network interface of this process's network namespace.
type link struct {
	index  int
	name   string
	master int // index of the bridge that it is a port of, or 0
}

// removeBridge deletes a bridge and the host's ends of the veth pairs that are its ports;
// the other ends vanish with them. A bridge that is not there is no error.
func removeBridge(name string) error {
	links, err := listLinks()
	if err != nil {
		return err
	}
	bridge := 0
	for _, l := range links {
		if l.name == name {
			bridge = l.index
		}
	}
	if bridge == 0 {
		return nil
	}
	var problems []error
	for _, l := range links {
		if l.master == bridge {
			problems = append(problems, deleteLink(l.index))
		}
	}
	problems = append(problems, deleteLink(bridge))
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("removing bridge %s: %w", name, err)
	}
	return nil
}

func listLinks() ([]link, error) {
	data, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("listing network interfaces: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(data)
	if err != nil {
		return nil, fmt.Errorf("listing network interfaces: %w", err)
	}
	var links []link
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWLINK || len(m.Data) < syscall.SizeofIfInfomsg {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			return nil, fmt.Errorf("listing network interfaces: %w", err)
		}
		l := link{index: int(binary.NativeEndian.Uint32(m.Data[4:8]))}
		for _, a := range attributes {
			switch a.Attr.Type {
			case unix.IFLA_IFNAME:
				l.name = unix.ByteSliceToString(a.Value)
			case unix.IFLA_MASTER:
				l.master = int(binary.NativeEndian.Uint32(a.Value))
			}
		}
		links = append(links, l)
	}
	return links, nil
}

// MakeFilteredBridge makes a bridge whose traffic passes the firewall although that of other
// bridges does not. The bridge plugin takes it as it finds it. A bridge that exists is no error.
func MakeFilteredBridge(name string) error {
	data := append(attribute(unix.IFLA_BR_NF_CALL_IPTABLES, []byte{1}), attribute(unix.IFLA_BR_NF_CALL_IP6TABLES, []byte{1})...)
	info := append(attribute(unix.IFLA_INFO_KIND, []byte("bridge\x00")), attribute(unix.IFLA_INFO_DATA, data)...)
	attributes := append(attribute(unix.IFLA_IFNAME, append([]byte(name), 0)), attribute(unix.IFLA_LINKINFO, info)...)
	err := requestLink(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, 0, attributes)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("making bridge %s: %w", name, err)
	}
	return nil
}

// attribute encodes one attribute of rtnetlink, padded to four bytes.
func attribute(kind uint16, value []byte) []byte {
	encoded := make([]byte, (unix.SizeofRtAttr+len(value)+3)/4*4)
	binary.NativeEndian.PutUint16(encoded[0:], uint16(unix.SizeofRtAttr+len(value)))
	binary.NativeEndian.PutUint16(encoded[2:], kind)
	copy(encoded[unix.SizeofRtAttr:], value)
	return encoded
}

func deleteLink(index int) error {
	err := requestLink(unix.RTM_DELLINK, 0, index, nil)
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("deleting network interface: %w", err)
	}
	return nil
}

// requestLink asks the kernel over rtnetlink, so that no tool is needed on the agent. Index 0
// is no interface.
func requestLink(kind, flags uint16, index int, attributes []byte) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(socket)
	if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10}); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	request := make([]byte, unix.SizeofNlMsghdr+unix.SizeofIfInfomsg, unix.SizeofNlMsghdr+unix.SizeofIfInfomsg+len(attributes))
	binary.NativeEndian.PutUint32(request[0:], uint32(cap(request)))
	binary.NativeEndian.PutUint16(request[4:], kind)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags)
	binary.NativeEndian.PutUint32(request[8:], 1) // sequence
	binary.NativeEndian.PutUint32(request[unix.SizeofNlMsghdr+4:], uint32(index))
	request = append(request, attributes...)
	if err := unix.Sendto(socket, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(socket, answer, 0)
	if err != nil {
		return os.NewSyscallError("recvfrom", err)
	}
	if n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return errors.New("unexpected answer of the kernel")
	}
	if errno := -int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); errno != 0 {
		return unix.Errno(errno)
	}
	return nil
}
