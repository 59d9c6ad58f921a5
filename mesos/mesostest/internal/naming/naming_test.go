package naming_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
)

func TestUUIDsAreRandomAndOfVersion4(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 1000 {
		text := naming.NewUUID().String()
		if !form.MatchString(text) {
			t.Fatalf("%s is not a UUID of version 4", text)
		}
		if seen[text] {
			t.Fatalf("%s was made twice", text)
		}
		seen[text] = true
	}
}

func TestUUIDIsWrittenInItsOrder(t *testing.T) {
	u := naming.UUID{0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f}
	const want = "00010203-0405-0607-0809-0a0b0c0d0e0f"
	if got := u.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestIDs(t *testing.T) {
	for name, test := range map[string]struct {
		id   string
		want string // the error; empty for a valid ID
	}{
		"a plain ID":                {"node-1.task", ""},
		"an ID with spaces":         {"a b", ""},
		"an ID beyond ASCII":        {"knoten-ä", ""},
		"the longest ID":            {strings.Repeat("x", 255), ""},
		"nothing":                   {"", "ID must not be empty"},
		"one character too many":    {strings.Repeat("x", 256), "ID must not be greater than 255 characters"},
		"the ID .":                  {".", "'.' is disallowed"},
		"the ID ..":                 {"..", "'..' is disallowed"},
		"more dots than a folder":   {"...", ""},
		"a slash":                   {"a/b", "'a/b' contains invalid characters"},
		"a backslash":               {`a\b`, `'a\b' contains invalid characters`},
		"a line break":              {"a\nb", "'a\nb' contains invalid characters"},
		"a zero byte":               {"a\x00", "'a\x00' contains invalid characters"},
		"a delete":                  {"a\x7f", "'a\x7f' contains invalid characters"},
		"length goes before slash":  {strings.Repeat("/", 256), "ID must not be greater than 255 characters"},
		"a dot at the beginning":    {".hidden", ""},
		"an ID that is only spaces": {" ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := text(naming.ValidateID(test.id)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestRoles(t *testing.T) {
	const odd = "is invalid because it contains whitespace, a backspace, a delete or an asterisk"
	for name, test := range map[string]struct {
		role string
		want string // the error; empty for a valid role
	}{
		"the role of all":             {"*", ""},
		"a plain role":                {"k8sm", ""},
		"a role below another":        {"eng/backend", ""},
		"a deep role":                 {"a/b/c/d", ""},
		"dots in a component":         {"a.b/c..d", ""},
		"a dash in a component":       {"a-b", ""},
		"nothing":                     {"", "Empty role name is invalid"},
		"a slash in front":            {"/a", "Role '/a' cannot start with a slash"},
		"a slash behind":              {"a/", "Role 'a/' cannot end with a slash"},
		"only a slash":                {"/", "Role '/' cannot start with a slash"},
		"two slashes":                 {"a//b", "Role 'a//b' cannot contain two adjacent slashes"},
		"the role .":                  {".", "Role '.' cannot include '.' as a component"},
		"a component ..":              {"a/..", "Role 'a/..' cannot include '..' as a component"},
		"a dash in front":             {"-a", "Role component '-a' is invalid because it begins with a dash"},
		"a dash in front, below":      {"a/-b", "Role component '-b' is invalid because it begins with a dash"},
		"a space":                     {"a b", "Role component 'a b' " + odd},
		"a tab, below":                {"a/b\tc", "Role component 'b\tc' " + odd},
		"an asterisk among others":    {"a*", "Role component 'a*' " + odd},
		"the role of all as a parent": {"*/a", "Role component '*' " + odd},
		"a backspace":                 {"a\b", "Role component 'a\b' " + odd},
		"a delete":                    {"a\x7f", "Role component 'a\x7f' " + odd},
	} {
		t.Run(name, func(t *testing.T) {
			if got := text(naming.ValidateRole(test.role)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestRolesWithinRoles(t *testing.T) {
	for name, test := range map[string]struct {
		role, ancestor string
		want           bool
	}{
		"itself":                     {"a", "a", true},
		"a child":                    {"a/b", "a", true},
		"a grandchild":               {"a/b/c", "a", true},
		"the parent":                 {"a", "a/b", false},
		"a sibling":                  {"a/c", "a/b", false},
		"a name that begins alike":   {"ab", "a", false},
		"a child that begins alike":  {"a/bc", "a/b", false},
		"another one":                {"b", "a", false},
		"the role of all has no own": {"a", "*", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := naming.IsWithin(test.role, test.ancestor); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Mesos takes the five versions of RFC 4122, whatever the variant, and no other bytes.
func TestValidateUUID(t *testing.T) {
	with := func(length int, octet6 byte) []byte {
		raw := make([]byte, length)
		if length > 6 {
			raw[6] = octet6
		}
		return raw
	}
	for version := range byte(16) {
		want := version >= 1 && version <= 5
		for _, low := range []byte{0, 0xf} {
			if err := naming.ValidateUUID(with(16, version<<4|low)); (err == nil) != want {
				t.Errorf("version %d: %v", version, err)
			}
		}
	}
	for _, length := range []int{0, 1, 15, 17, 36} {
		if err := naming.ValidateUUID(with(length, 0x40)); err == nil || err.Error() != "Not a valid UUID" {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
	for range 100 {
		if u := naming.NewUUID(); naming.ValidateUUID(u[:]) != nil {
			t.Errorf("%s is not valid", u)
		}
	}
}
