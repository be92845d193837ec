"""What takes two people: requests for a second person's consent, roles with a scope, and the gate to what they guard.

Nothing outside this package calls the use cases it guards (`carrying_out.GUARDED`): a test walks the whole service.
"""
