//go:build !linux

package volumedriver

import "errors"

func bind(_, _ string) error { return errors.ErrUnsupported }

func unbind(string) error { return errors.ErrUnsupported }
