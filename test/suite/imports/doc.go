// Package imports tests the rules for import direction: it plants every import that
// .golangci.yml forbids and checks that the linter refuses each of them, also in packages
// below a folder, and it checks what the operator and the executor link. It knows the form
// of the linter's configuration; which rules there should be is listed in the test.
// `make verify-imports` runs it, since it needs the linter.
package imports
