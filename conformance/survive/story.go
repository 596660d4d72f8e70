package survive

import "context"

// A Story is a fault that is no matter of steps: it has a ground of its own, and a way that it goes.
type Story struct {
	Name, Did, Step string
	Once            bool // however often the others

	play func(ctx context.Context, c Campaign, folder string) (problems []string, err error)
}

// Stories are those there are.
var Stories = []Story{}

// tell plays a story in a folder of its own.
func (c Campaign) tell(ctx context.Context, s Story) ([]string, error) {
	folder, remove, err := c.folder()
	if err != nil {
		return nil, err
	}
	problems, err := s.play(ctx, c, folder)
	if err != nil {
		return append(problems, err.Error()), nil
	}
	return problems, remove(len(problems) == 0)
}
