"""A daemon that is killed at random under real traffic, and what must be true of its data afterwards."""
