"""A seeded participant who exists only as samples: test rig, demo, and a bench for people who build clients."""
