package mesoserror_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

func TestErrorsKeepTheMessagesOfMesos(t *testing.T) {
	err := mesoserror.Errorf("Task '%s' is invalid: %v", "t", errors.New("Task uses no resources"))
	if got, want := err.Error(), "Task 't' is invalid: Task uses no resources"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestErrorsAreFoundByTheirType(t *testing.T) {
	var found mesoserror.Error
	if !errors.As(fmt.Errorf("launching: %w", mesoserror.Errorf("Framework cannot be found")), &found) {
		t.Fatal("the error is not found in what wraps it")
	}
	if found != "Framework cannot be found" {
		t.Errorf("got %q", found)
	}
	if errors.As(errors.New("else"), &found) {
		t.Error("any error is taken for one of Mesos")
	}
}
