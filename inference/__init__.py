"""Feature frames become focus scores: model, baseline, validity."""
