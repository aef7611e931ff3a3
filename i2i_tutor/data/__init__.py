"""Worlds: endless seeded training streams and fixed evaluation sets, procedural or real, behind one contract."""
